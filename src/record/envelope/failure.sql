-- What has failed, whose words the error may quote, and the class that the record will have in `why`. Perhaps there is a way out:
-- once more, or by the other plan.

get stacked diagnostics st = returned_sqlstate, msg = message_text, det = pg_exception_detail,
  hnt = pg_exception_hint, ctx = pg_exception_context, con = constraint_name,
  sch = schema_name, tab = table_name, col = column_name;
-- Raised by a function in PL/pgSQL: the SQLSTATE says only what the function chose. The first line of the context then
-- ends in RAISE, in every language of the server. Quoted names may hold any word.
raised := failure is null and split_part(regexp_replace(ctx, '"[^"]*"', '', 'g'), E'\n', 1) ~ '\mRAISE\M';
-- While rows are computed, any message may quote rows. Otherwise only messages of these classes quote values, and only
-- if code of others was executed.
quotes_rows := failure is null
  and (statement ? 'computesRows' or left(st, 2) in ('21', '22', '23') and (statement ->> 'kind' = 'userCode' or statement ? 'seal'));
-- These are the server's own about limits and logins, which tell no row, unless a function or another server stands in between.
quotes_rows := quotes_rows and not (failures::jsonb -> 'whole' ? st and cardinality(string_to_array(ctx, E'\n')) < 3);
-- A name that an error gives may be row data. 21000: a concurrent refresh has found two equal rows, and quotes one.
violated := case when raised then null
                 when st = '23505' then statement #>> array['unique', con]
                 when st = '21000' and det <> '' then (select string_agg(value, ', ') from jsonb_each_text(statement -> 'unique')) end;
-- The setting that a full table of locks lacks: the server calls it memory, and the hint alone names it.
lacking := case when st = '53200' and not raised then substring(hnt from 'max_(?:pred_)?locks_per_transaction') end;
finished := clock_timestamp();
-- The context has the function of an event trigger. The server writes its schema only if the path of that moment needs it, and quotes as quote_all_identifiers says.
triggers := case when failure is null and st not in ('57014', '55P03', '40P01') then (
  select string_agg(quote_ident(t.evtname), ' or ' order by t.evtname) from pg_event_trigger t join pg_proc p on p.oid = t.evtfoid
   where position(translate(format(' %s() line ', p.proname), '."', ' ') in translate(ctx, '."', ' ')) > 0) end;
-- What hangs on an incremental table, and not the view's own SQL, has failed. The context names the function of a trigger as above.
refused := case when failure is null and statement #> '{fills,query}' is not null then case
  when violated is null then viewkeeper.refuser_of(made::text, st, sch, tab, col, case when not raised then con end, ctx)
  when statement #> '{fills,keeps}' is not null then viewkeeper.refuser_beside() end end;
why := case
  when failure is not null then failure
  when triggers is not null then 'EventTriggerFailed'
  when refused is not null then 'TableRefused'
  when raised or st = '2BP01' and (statement ->> 'kind' = 'userCode' or statement ? 'rolePath') then 'ViewSqlFailed'
  -- Whatever depended on the view at planning follows the exchange. What does not was made in the last moment.
  when st = '2BP01' and statement ->> 'phase' in ('exchange', 'cut-over') and work ->> 'basis' is not null then 'CatalogChanged'
  when statement ->> 'phase' in ('locking', 'exchange', 'cut-over') and (st in ('42P01', '42703', '42704') or left(st, 2) = 'XX') then 'CatalogChanged'
  when st = '57014' and statement_limit > '0' and finished - statement_timestamp() >= statement_limit
    then case when statement ->> 'phase' = 'locking' then 'LockTimeout' else 'StatementTimeout' end
  when st = '57014' then 'Canceled'
  else coalesce(failures::jsonb #>> array['classes', st], failures::jsonb #>> array['classes', left(st, 2)], 'ViewSqlFailed')
end;

-- Newer data stay: what was built before them is built again, once, if there is as much time as it has taken.
if statement ->> 'kind' = 'newer' and failure is not null and seen <> '{}' and not again and finished - started < deadline - finished then
  again := true;
  failure := null;
  statement := '{}';
  stage := 'prepare';
  continue;
end if;

-- Goes on with the other plan, which refreshes one view only. If the query itself has failed, or trying again may help,
-- the other plan is no way out.
if work ? 'otherwise' and statement ? 'sql' and not statement ? 'computesRows'
    and (why in ('SwapImpossible', 'ViewSqlFailed', 'EventTriggerFailed', 'InsufficientPrivilege', 'DependentsExist') or statement ->> 'kind' = 'newer') then
  response := jsonb_set(work #> '{otherwise,response}', '{because}', to_jsonb(format('%s (%s)',
    work #>> '{otherwise,response,because}',
    left(case when quotes_rows then st else concat_ws(' ', msg, nullif(det, '')) end, 2000))));
  work := work #> '{otherwise,plan}';
  if cardinality(members) > 0 then
    update viewkeeper.runs r set status = 'skipped', finished_at = clock_timestamp(), updated_at = clock_timestamp(), duration_ms = 0,
           meta = jsonb_set(r.meta, '{response,because}', to_jsonb(format('it was not refreshed together with %s, because that was impossible (run %s)', the_view, run)))
     where r.id <> run and (r.id = run or r.group_run_id = run) and r.backend_pid = pg_backend_pid() and r.backend_start = me_since
       and r.status in ('running');
    members := '{}';
  end if;
  failure := null;
  statement := '{}';
  stage := 'prepare';
  continue;
end if;
