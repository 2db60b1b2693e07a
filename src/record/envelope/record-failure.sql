-- Records the failure, of the run and of those of its group, with the culprit and what to do, and without row data.

-- The statement time-out may cancel this recording, too, if a wait for a lock has used up the time. The time-out fires
-- only once, so the second try is not canceled.
for try in 1..2 loop
  begin
    -- What else the catalog says: missing rights, what was not found, who holds the lock.
    begin
      if quotes_rows and not raised and failures::jsonb -> 'unfoundStates' ? st then
        execute failures::jsonb ->> 'unfound' into unfound using st, case st when '23514' then con else msg end, ctx,
          case when statement ? 'fills' then format('%I.%I', statement #>> '{fills,view,0}', statement #>> '{fills,view,1}') else the_view end;
      end if;
      if unfound is null and st in ('42501', '55000', '0A000') and not raised and statement ? 'obstacles' then
        execute case when statement #> '{obstacles,to}' is null then statement ->> 'obstacles' else failures::jsonb ->> 'hints' end
          into obstacles using statement #>> '{obstacles,schema}', statement #>> '{obstacles,name}', statement #>> '{obstacles,to}',
            statement #>> '{obstacles,as}';
      elsif why = 'LockTimeout' and failure is null then
        execute format('select coalesce((%s), $1)', work #>> '{locked,holders}') into holders using holders;
      end if;
    exception when assert_failure or others then
      null; -- the view is gone: no obstacles
    end;
    -- A cancel signals before it commits its request: the update waits for that commit, but would not see it.
    perform from viewkeeper.runs r where r.id = run or r.group_run_id = run for no key update;
    -- A view that was only to be rebuilt along, for the sake of the one that somebody asked for, is not to blame.
    update viewkeeper.runs r set status = 'skipped', plan = null, finished_at = finished, updated_at = finished, duration_ms = 0,
           meta = jsonb_set(r.meta, '{response,because}', to_jsonb(format('run %s of %s did not succeed, and nothing was exchanged', run, the_view)))
     where r.group_run_id = run and r.batch_id is null
       and not exists (select from viewkeeper.runs c where run in (c.id, c.group_run_id) and c.cancel_requested_at is not null)
       and not exists (
             select from jsonb_array_elements(work -> 'members') m
              where m ->> 'view' = statement ->> 'view' and m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name)
       and r.backend_pid = pg_backend_pid() and r.backend_start = me_since and r.status in ('running');
    -- Failure: the runs that this process claimed, without row data. Canceled: a caller has asked for it.
    update viewkeeper.runs r
       set status = case when st = '57014' and not raised and exists (
               select from viewkeeper.runs r where (r.id = run or r.group_run_id = run) and r.cancel_requested_at is not null)
             then 'canceled' else 'failed' end,
           plan = null, finished_at = finished, updated_at = finished,
           duration_ms = case when r.built_at is not null then r.duration_ms::float8
                              when r.id = run then extract(epoch from finished - started) * 1000
                              else (select (spent ->> (m ->> 'view'))::float8 from jsonb_array_elements(work -> 'members') m
                                     where m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name) end,
           idempotency_key = case when failures::jsonb -> 'retried' ? why then null else r.idempotency_key end,
           meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_build_object('attempts', tries)),
           error = (select jsonb_object_agg(key, case when length(value) <= 2000 then
                             -- Names and messages of others break no line: whoever is to type a line reads ours.
                             case when key in ('message', 'detail') and failure is null then translate(value, E'\n\r', '; ') else value end
                             else left(value, 2000) || format('... (cut: %s characters)', length(value)) end)
             from jsonb_each_text(jsonb_build_object(
             'class', why,
             'sqlstate', case when failure is null then st end,
             'message', case when statement ? 'view' and not (why = 'LockTimeout' and failure is null) then (statement ->> 'view') || ': ' else '' end
               || case when why = 'StatementTimeout' then viewkeeper.timed_out(statement_limit, statement ->> 'phase', r.meta #>> '{request,timeoutSeconds}',
                  (select u.ms from viewkeeper.usual_duration(r.definition_id, r.id) u))
                when why = 'LockTimeout' and failure is null
                then concat_ws(': ', 'The run did not get a lock in time', holders ->> 'who')
                when quotes_rows
                then coalesce(case when lacking is not null then 'out of locks' end, standard.texts ->> st, standard.texts ->> (left(st, 2) || '000'), 'error of class ' || left(st, 2))
                  || coalesce(' in index ' || violated, ' in ' || (refused ->> 'what'), ' ' || (unfound ->> 'what'), '')
                else msg end,
             'detail', case when not quotes_rows then nullif(det, '') end,
             'hint', nullif(concat_ws(' ', translate(case when refused is not null then refused ->> 'hint'
               when violated is not null
                 then 'The query returns rows that are equal in these columns. Change the query so that it returns one of them, or drop the index.'
               when unfound is not null then unfound ->> 'hint'
               when why = 'StatementTimeout' then viewkeeper.more_time(statement_limit, (select u.ms from viewkeeper.usual_duration(r.definition_id, r.id) u))
               when st = '53100' and not raised then viewkeeper.room_of(the_view)
               when lacking is not null then format('The table of locks is full: raise %s, which is %s, and restart the server, or let the view read fewer partitions.', lacking, current_setting(lacking))
               when not raised and (st in ('42501', '55000') or obstacles ? st) then case when not quotes_rows then nullif(hnt, '') end
               when why = 'CatalogChanged' and st = '2BP01' then 'It was made in the last moment. Nothing was exchanged: refresh again.'
               when why = 'LockTimeout' and failure is null then coalesce(holders ->> 'advice', 'By now nobody holds a lock on the view, or on what it reads, that is in the way: try again.')
               when statement ? 'carries' then 'The failed statement carries over ' || (statement ->> 'carries') || '.'
               when not quotes_rows then nullif(hnt, '') end, case when failure is null then E'\n\r' else '' end, '  '), case when coalesce(refused, unfound) is null and not raised then obstacles ->> st end), ''),
             'context', nullif(concat_ws(E'\n', 'event trigger ' || triggers, viewkeeper.places_in(ctx)), ''))) where value is not null)
      from (select failures::jsonb -> 'texts' as texts) standard
     where (r.id = run or r.group_run_id = run) and r.backend_pid = pg_backend_pid() and r.backend_start = me_since
       and r.status in ('running');
    exit;
  exception when query_canceled then
    null;
  end;
end loop;
