-- Records the success, in the transaction of the work.

statement := '{}';
perform set_config('lock_timeout', coalesce(work #>> '{locked,recordLockTimeoutMs}', '0'), true);
finished := clock_timestamp();
-- Success: the runs that this process claimed, and that nobody has closed meanwhile. A run that fills a shadow for a later
-- exchange is built. Another member of the group has the time of its own statements; a built shadow has its time already.
update viewkeeper.runs r set status = case when work ? 'builds' then 'built' else 'success' end,
       result = case when not work ? 'builds' then work ->> 'result' end,
       finished_at = case when not work ? 'builds' then finished end,
       built_at = case when work ? 'builds' then finished else r.built_at end,
       -- Rows before: those after the last success, if it has left what this run found.
       (row_count_before, row_count_after, as_of, held_back_by, inputs, filled, touched, replaces, meta) = (
         select case when s.key is null then r.row_count_before else p.rows end,
                case when s.key is null then r.row_count_after else (s.value ->> 'rows')::int8
                  + case when s.value -> 'differs' = 'true' then p.rows else 0 end end,
                case when s.key is null then r.as_of else (s.value ->> 'asOf')::timestamptz end,
                case when s.key is null then r.held_back_by else s.value ->> 'heldBackBy' end,
                case when s.key is null then r.inputs else nullif(s.value -> 'inputs', 'null') end,
                viewkeeper.filling(x.made),
                (select c.xmin::text from pg_class c where c.oid = x.made),
                case when work ? 'builds' then s.value ->> 'replaces' end,
                jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_strip_nulls(jsonb_build_object(
                  'attempts', tries, 'lockedMs', round(extract(epoch from finished - locked_since) * 1000), 'fillMs', s.value -> 'fillMs')))
           from (select) one left join jsonb_each(seen) s on s.value -> 'view' = jsonb_build_array(r.schema_name, r.view_name)
           left join (select p.row_count_after as rows, p.filled, p.touched from viewkeeper.runs p
                       where p.definition_id = r.definition_id and p.status = 'success' and p.fills order by p.id desc limit 1) p
             on (p.filled, p.touched) = (s.value ->> 'replaces', s.value ->> 'touched')
          cross join lateral (select coalesce(s.key, split_part(r.filled, ' ', 2))::oid as made) x),
       -- Something of a plan is left while there is more to do: see src/record/watch/ended.ts.
       plan = case when jsonb_array_length(work -> 'later') > 0 and r.id = run then '{}'::jsonb end, updated_at = finished,
       duration_ms = case when r.built_at is not null then r.duration_ms::float8
                          when r.id = run then extract(epoch from finished - started) * 1000
                          else (select (spent ->> (m ->> 'view'))::float8 from jsonb_array_elements(work -> 'members') m
                                 where m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name) end
 where (r.id = run or r.group_run_id = run) and r.backend_pid = pg_backend_pid() and r.backend_start = me_since
   and r.status in ('running');
get diagnostics counted = row_count;
if counted <= cardinality(members) then
  -- Somebody closed this run as lost: the record says failed, so the work must not stay.
  raise exception 'viewkeeper run % was closed by somebody else; its work is undone', run;
end if;
-- The check that comes after everything else.
if work #> '{locked,last}' is not null then
  statement := work #> '{locked,last}';
  execute statement ->> 'sql' into answer;
  if answer is distinct from statement #>> '{check,is}' then
    failure := statement #>> '{check,else}';
    raise exception using errcode = case failure when 'LockTimeout' then 'lock_not_available' else 'raise_exception' end,
      message = split_part(answer, E'\x1e', 1), hint = split_part(answer, E'\x1e', 2);
  end if;
end if;
