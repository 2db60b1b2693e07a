-- Before a try of the statements that need a strong lock: how long it may wait for all of its locks together, and for each.

if stage = 'locked' then
  locked_since := null;
  seen := prepared; -- without what a try has noted that was undone
  -- Grows with the tries, so that readers wait little, and the work gets through where many relations are read without pause.
  patience := least(tries * interval '100 ms', most_patience);
  -- The server ends an autovacuum once somebody has waited deadlock_timeout for its lock. An equally long wait for
  -- anybody else may be half of a deadlock: the server ends the other half, perhaps an index build.
  perform set_config('lock_timeout',
    case when (work #>> '{locked,lockTimeoutMs}' is null or tries % 10 = 0)
          and exists (select from pg_locks l join pg_stat_get_activity(l.pid) a on true
                       where l.locktype = 'relation' and l.relation = to_regclass(the_view) and l.granted and l.pid <> pg_backend_pid()
                         and l.database = (select oid from pg_database where datname = current_database())
                         and a.usesysid is null) then longer
         else coalesce(work #>> '{locked,lockTimeoutMs}', shorter) end, true);
  if work #>> '{locked,recordLockTimeoutMs}' is null then
    perform from viewkeeper.runs r where r.id = run or r.group_run_id = run for no key update;
  end if;
end if;
