import { unfoundQuery, unfoundStates } from '../../rebuild/db/unfound.ts'
import { problemOfSqlstate } from '../../server/sqlstate.ts'
import { literal } from '../../sql/names.ts'
import { json, leaveOthersOut, mostCharacters, recordFailure } from '../life/fail.ts'
import { type EnvelopeVariant, isNamed } from '../life/ours.ts'
import { readObstacles } from './perform.ts'

/**
 * Whether the error with context `ctx` was raised by a PL/pgSQL function, so that its SQLSTATE says only what the function
 * chose. The context's first line then ends in RAISE, in every language of the server. Quoted names may hold any word.
 */
export const isRaised = `split_part(regexp_replace(ctx, '"[^"]*"', '', 'g'), E'\\n', 1) ~ '\\mRAISE\\M'`

/**
 * Whether the error with context `ctx` came out of the function of an event trigger. The server writes the function's schema there only
 * if the path of that moment needs it.
 */
const isEventTriggers = `exists (
          select from pg_catalog.pg_event_trigger t join pg_catalog.pg_proc p on p.oid = t.evtfoid
           where position(format(' %I() line ', p.proname) in replace(ctx, '.', ' ')) > 0)`

/** What has failed, and which of its words may be recorded. */
const classify = `get stacked diagnostics st = returned_sqlstate, msg = message_text, det = pg_exception_detail,
        hnt = pg_exception_hint, ctx = pg_exception_context, con = constraint_name;
      raised := failure is null and ${isRaised};
      -- While rows are computed, any message may quote rows. Otherwise only messages of these classes quote values, and only if
      -- code of others was executed.
      quotes_rows := failure is null
        and (statement ? 'computesRows' or left(st, 2) in ('21', '22', '23') and (statement ->> 'kind' = 'userCode' or statement ? 'sandbox'));
      -- A name that an error gives may be row data. 21000: a concurrent refresh has found two equal rows, and quotes one.
      violated := case when raised then null
                       when st = '23505' then statement #>> array['unique', con]
                       when st = '21000' and det <> '' then (select string_agg(value, ', ') from jsonb_each_text(statement -> 'unique')) end;
      finished := clock_timestamp();
      why := case
        when failure is not null then failure
        when st not in ('57014', '55P03', '40P01') and ${isEventTriggers} then 'EventTriggerFailed'
        when raised or st = '2BP01' and (statement ->> 'kind' = 'userCode' or statement ? 'rolePath') then 'ViewSqlFailed'
        -- Whatever depended on the view at planning follows the exchange. What does not was made in the last moment.
        when st = '2BP01' and statement ->> 'phase' = 'cut-over' and work ->> 'basis' is not null then 'CatalogChanged'
        when statement ->> 'phase' in ('locking', 'cut-over') and (st in ('42P01', '42703', '42704') or left(st, 2) = 'XX') then 'CatalogChanged'
        when st = '57014' and statement_limit > '0' and finished - statement_timestamp() >= statement_limit
          then case when statement ->> 'phase' = 'locking' then 'LockTimeout' else 'StatementTimeout' end
        when st = '57014' then 'Canceled'
        else coalesce(${json(problemOfSqlstate)} ->> st, ${json(problemOfSqlstate)} ->> left(st, 2), 'ViewSqlFailed')
      end;`

/** The other plan refreshes one view only. */
const leaveMembersOut = `if cardinality(members) > 0 then
          ${leaveOthersOut};
          members := '{}';
        end if;`

/** Goes on with the other plan. If the query itself has failed, or trying again may help, the other plan is no way out. */
const takeOtherPlan = (
  variant: EnvelopeVariant,
) => `if work ? 'otherwise' and statement ? 'sql' and not statement ? 'computesRows'
          and why in ('SwapImpossible', 'ViewSqlFailed', 'EventTriggerFailed', 'InsufficientPrivilege', 'DependentsExist') then
        response := jsonb_set(work #> '{otherwise,response}', '{because}', to_jsonb(format('%s (%s)',
          work #>> '{otherwise,response,because}',
          left(case when quotes_rows then st else concat_ws(' ', msg, nullif(det, '')) end, ${mostCharacters}))));
        work := work #> '{otherwise,plan}';
        ${variant === 'short' ? '' : leaveMembersOut}
        failure := null;
        statement := '{}';
        continue;
      end if;`

/** What else the catalog says about the failure: missing rights, what was not found, who holds the lock. */
const lookForHints = `if st in ('42501', '55000', '0A000') and not raised and statement ? 'obstacles' then
              ${readObstacles}
            elsif quotes_rows and not raised and st in (${unfoundStates.map(literal).join(', ')}) then
              execute ${literal(unfoundQuery)} into unfound using st, msg, ctx;
            elsif why = 'LockTimeout' and failure is null then
              execute format('select coalesce((%s), $1)', work #>> '{cutOver,holders}') into holders using holders;
            end if;`

/** Goes on with the other plan, or records the failure. By then the failed block has undone all that the run did. */
export const failurePhase = (variant: EnvelopeVariant) => `${classify}
      ${takeOtherPlan(variant)}
      -- The statement time-out may cancel this recording, too, if a wait for a lock has used up the time. The time-out fires
      -- only once, so the second try is not canceled.
      for try in 1..2 loop
        begin
          begin
            ${lookForHints}
          exception when assert_failure or others then
            null; -- the view is gone: no obstacles
          end;
          -- A cancel signals before it commits its request: the update waits for that commit, but would not see it.
          perform from viewkeeper.runs r where ${isNamed(variant)} for no key update;
          ${recordFailure(variant)};
          exit;
        exception when query_canceled then
          null;
        end;
      end loop;`
