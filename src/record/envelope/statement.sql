-- Executes one statement of the plan. What fills a view leaves in `seen` how old its data are, and how many rows were written.
-- Its twin, for statements that are no run, is src/rebuild/db/statements.ts: a kind that one of them knows, the other knows, too.

target := statement -> 'fills';
made := (target ->> 'relation')::regclass;
written := pg_stat_get_xact_tuples_inserted(made) - pg_stat_get_xact_tuples_deleted(made);
-- How old the data will be that the statement fills a view with, noted before the server takes the statement's
-- snapshot, if no statement before it has. The owner of a view may not read the record, so our own role does.
if (target ? 'noted') is false then
  acting := current_setting('role');
  perform set_config('role', home, true);
  seen := seen || viewkeeper.noted(target, work ? 'counted', seen, batch);
  perform set_config('role', acting, true);
end if;

command := concat(statement ->> 'sql', statement ->> 'also');
began := clock_timestamp();
-- Since when readers wait, the wait for the lock included, because they wait behind it: the waits for all exclusive
-- locks together end with the patience of the try. Any wait for a lock ends at the deadline of the run at the latest;
-- else the statement time-out would end it, and the record would not say that the run waited for a lock.
if statement ? 'locksReaders' then
  locked_since := coalesce(locked_since, began);
end if;
-- Since when it has waited for a lock: see src/record/watch/looks.ts.
perform set_config('application_name', format('viewkeeper run %s %s%s', run, statement ->> 'phase', case statement ->> 'phase' when 'locking' then waited end), false);
perform set_config('lock_timeout', ceil(1000 * extract(epoch from greatest('1ms', least(
  nullif(current_setting('lock_timeout')::interval, '0'), deadline - began,
  case when statement ? 'locksReaders' and statement ->> 'phase' = 'locking' then locked_since + patience - began end))))::text, true);

-- Queries of others are executed under the settings of our login: see src/sql/settings.ts. With all identifiers quoted
-- the server cannot read its own SQL of a concurrent refresh.
if statement ? 'computesRows' then
  perform set_config(key, value, true) from jsonb_each_text(login_settings || (work -> 'settings'))
    where key <> 'quote_all_identifiers' or statement ->> 'sql' !~ '^refresh materialized view concurrently ';
end if;

-- The kinds are those of Statement in src/sql/run-plan.ts. Any other fails the run (20000).
case statement ->> 'kind'
when 'command' then
  execute command;
when 'userCode' then
  role_path := set_config('search_path', role_path, true); -- as an expression, which is not compiled
  execute command;
  set local search_path to pg_catalog, pg_temp;
when 'sealed', 'asked' then
  -- What executes code of others: src/sealed/plan/text.ts.
  -- part: sealed
  if statement ->> 'kind' = 'asked' then
    perform set_config('viewkeeper.answer', answer, true);
  end if;
when 'notes' then
  execute failures::jsonb ->> 'hints' into obstacles
    using statement #>> '{obstacles,schema}', statement #>> '{obstacles,name}', statement #>> '{obstacles,to}', null::text;
when 'statements' then
  for answer in execute command loop
    execute answer;
  end loop;
when 'check' then
  if statement #> '{check,letsGo}' is null then
    execute command into answer;
  else
    begin
      execute coalesce(statement #>> '{check,sooner}', command) into answer;
      if statement #> '{check,sooner}' is not null and answer is distinct from statement #>> '{check,is}' then
        execute command into answer;
      end if;
      raise sqlstate 'VK003'; -- lets its locks go
    exception when sqlstate 'VK003' then
      null; -- the answer stays
    end;
  end if;
  if answer is distinct from statement #>> '{check,is}' then
    failure := statement #>> '{check,else}';
    raise exception using errcode = case failure when 'LockTimeout' then 'lock_not_available' else 'raise_exception' end,
      message = coalesce(statement #>> '{check,message}', split_part(answer, E'\x1e', 1)),
      detail = coalesce((statement #>> '{check,tells}') || split_part(answer, E'\x1e', 1), ''),
      hint = coalesce(split_part(answer, E'\x1e', 2), '');
  end if;
when 'newer' then
  execute command into answer using seen, members || run;
  if answer <> '' then
    failure := 'CatalogChanged';
    raise exception 'Somebody has refreshed %, or granted privileges on it, while its shadow was built. Nothing was exchanged: refresh again.', answer;
  end if;
end case;
if statement ? 'computesRows' then
  set local jit to off;
  perform set_config(key, value, true) from jsonb_each_text(own_settings);
end if;

-- What the server itself has counted: a refresh writes every row, a concurrent one those that differ. What fills has been noted by now, above or by
-- a statement of the same try.
if statement ? 'fills' then
  seen := jsonb_set(seen, array[made::oid::text], (seen -> made::oid::text) || jsonb_build_object(
    'fillMs', round(extract(epoch from clock_timestamp() - began) * 1000), 'differs', target -> 'differs',
    'rows', case when current_setting('track_counts')::boolean
                 then pg_stat_get_xact_tuples_inserted(made) - pg_stat_get_xact_tuples_deleted(made) - written end));
end if;
-- The time of the member that the statement is about.
if statement ? 'view' then
  spent := spent || jsonb_build_object(statement ->> 'view',
    coalesce((spent ->> (statement ->> 'view'))::float8, 0) + extract(epoch from clock_timestamp() - began) * 1000);
end if;
