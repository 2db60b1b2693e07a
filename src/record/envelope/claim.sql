-- Claims the run, and those of its group: pending becomes running. Leaves `claimed`, the plan in `work`, and the other runs in `members`.

select r.batch_id, r.status = 'pending' into batch, is_pending from viewkeeper.runs r where r.id = run;
if batch is not null then
  -- A run that exchanges built shadows fills nothing, so it needs no slot.
  if is_pending then
    -- The row of the batch is locked until the commit, so claims count one by one. Without a slot, the advancer sends the run again.
    select b.concurrency into counted from viewkeeper.batches b where b.id = batch for no key update;
    -- A run that has waited for a lock for a second does not count, until it gets the lock.
    if counted <= (select count(*) from viewkeeper.runs r where r.batch_id = batch and r.status = 'running' and r.group_run_id is null
                      and not viewkeeper.has_waited(r.backend_pid, r.backend_start)) then
      return;
    end if;
    counted := null;
  end if;
  its_turn := viewkeeper.has_turn(run);
end if;
while not claimed loop
  -- A block of its own: an uncaught unique violation would leave the row pending.
  begin
    -- Only plans that this role wrote: they are executed with its rights. Another run of the view that is running violates
    -- a unique index. The plan is decompressed here, once.
    update viewkeeper.runs r set status = 'running', started_at = coalesce(r.started_at, clock_timestamp()),
           updated_at = clock_timestamp(), backend_pid = pg_backend_pid(), backend_start = me_since
     where r.id = run and r.status in ('pending', 'built') and (r.claim_by is null or r.claim_by > clock_timestamp())
       and r.plan is not null and r.planned_by = current_user and (r.not_before is null or r.not_before <= clock_timestamp())
       and its_turn and (cardinality(runs) = 1 or r.plan ->> 'bundle' = current_setting('viewkeeper.bundle', true))
    returning r.plan || '{}', r.started_at, format('%I.%I', r.schema_name, r.view_name) into work, started, the_view;
    claimed := found;
    if claimed and work ? 'members' then
      with others as (
        update viewkeeper.runs r set status = 'running', started_at = coalesce(r.started_at, started),
               updated_at = clock_timestamp(), backend_pid = pg_backend_pid(), backend_start = me_since
         where r.group_run_id = run and r.status in ('pending', 'built')
        returning r.id)
      select coalesce(array_agg(id order by id), '{}') into members from others;
      if cardinality(members) <> jsonb_array_length(work -> 'members') then
        raise exception using errcode = 'VK002';
      end if;
      -- The answer names the runs of the others. In a batch each run has an answer.
      update viewkeeper.runs r set meta = jsonb_set(r.meta, '{response,group}', (
               select jsonb_agg(jsonb_build_object('view', format('%I.%I', m.schema_name, m.view_name), 'runId', m.id) order by m.id)
                 from viewkeeper.runs m where m.id = any (members)))
       where r.id = run and batch is null;
    end if;
    -- What the plan stands on has to be as it was.
    if claimed and work ->> 'basis' is not null then
      perform set_config('lock_timeout', '2s', true);
      execute work #>> '{basis,sql}' into answer;
      if answer is distinct from work #>> '{basis,is}' then
        raise exception using errcode = 'VK002';
      end if;
    end if;
    exit;
  -- The error undoes the claim. internal_error: a relation was dropped while the server wrote its SQL.
  exception when sqlstate 'VK002' or lock_not_available or internal_error then
    claimed := false;
    exit;
  when unique_violation then
    claimed := false; -- perhaps only a member of the group was not claimed
    select o.id into other from viewkeeper.runs o, viewkeeper.runs r
     where (r.id = run or r.group_run_id = run) and r.status in ('pending', 'built')
       and o.schema_name = r.schema_name and o.view_name = r.view_name and o.status = 'running'
     order by o.id limit 1;
    if found then -- else that run has just ended: claim again
      update viewkeeper.runs r set status = 'skipped', plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(), duration_ms = 0,
             error = jsonb_build_object('class', 'AlreadyRunning', 'runningRunId', other, 'message',
               (select format('Run %s of %I.%I is still running.', other, o.schema_name, o.view_name) from viewkeeper.runs o where o.id = other))
        from viewkeeper.runs leader
       where leader.id = run and leader.status in ('pending') and leader.plan ->> 'ifRunning' = 'skip'
         and (r.id = run or r.group_run_id = run) and r.status in ('pending');
      exit;
    end if;
  end;
end loop;
