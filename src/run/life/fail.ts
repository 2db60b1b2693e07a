import { mayRetry, problemCodes } from '../../problem.ts'
import { standardText } from '../../server/sqlstate.ts'
import { countOf, durationOf, type EnvelopeVariant, isNamed, isOurs } from './ours.ts'
import { hasStatus, type Transition } from './transition.ts'

/** The work of a run has failed, or was canceled. */
export const failure: Transition = {
  from: ['running'],
  to: ['failed', 'canceled'],
  proof: 'the server process that claimed the run has undone the work; canceled: a caller has asked for it',
}

/** A constant of type jsonb. */
export const json = (value: object): string => `'${JSON.stringify(value).replaceAll("'", "''")}'::jsonb`

const equalRows =
  'The query returns rows that are equal in these columns. Change the query so that it returns one of them, or drop the index.'

/** A text of an error holds at most so many characters in the record: an answer lists many runs. */
export const mostCharacters = 2000

/** For the envelope: records the failure of our runs, without row data. */
export const recordFailure = (variant: EnvelopeVariant): string => `update viewkeeper.runs r
             set status = case when st = '57014' and not raised and exists (
                     select from viewkeeper.runs r where ${isNamed(variant)} and r.cancel_requested_at is not null)
                   then 'canceled' else 'failed' end,
                 plan = null, finished_at = finished, updated_at = finished,
                 duration_ms = ${durationOf(variant)}, row_count_before = ${countOf('row_count_before', 'rows_before', variant)},
                 idempotency_key = case when ${json(problemCodes.filter(mayRetry))} ? why then null else r.idempotency_key end,
                 meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_build_object('attempts', tries)),
                 error = (select jsonb_object_agg(key, case when length(value) <= ${mostCharacters} then value
                                   else left(value, ${mostCharacters}) || format('... (cut: %s characters)', length(value)) end)
                   from jsonb_each_text(jsonb_build_object(
                   'class', why,
                   'sqlstate', case when failure is null then st end,
                   'message', case when statement ? 'view' and not (why = 'LockTimeout' and failure is null) then (statement ->> 'view') || ': ' else '' end
                     || case when why = 'LockTimeout' and failure is null
                      then concat_ws(': ', 'The run did not get a lock in time', holders ->> 'who')
                      when quotes_rows
                      then coalesce(standard.texts ->> st, standard.texts ->> (left(st, 2) || '000'), 'error of class ' || left(st, 2))
                        || coalesce(' in index ' || violated, ' ' || (unfound ->> 'what'), '')
                      else msg end,
                   'detail', case when not quotes_rows then nullif(det, '') end,
                   'hint', case when violated is not null then '${equalRows}'
                                when unfound is not null then unfound ->> 'hint'
                                when not raised and (st in ('42501', '55000') or obstacles ? st) then nullif(concat_ws(' ', case when not quotes_rows then nullif(hnt, '') end, obstacles ->> st), '')
                                when why = 'CatalogChanged' and st = '2BP01' then 'It was made in the last moment. Nothing was exchanged: refresh again.'
                                when why = 'LockTimeout' and failure is null then coalesce(holders ->> 'advice', 'By now nobody holds a lock on the view, or on what it reads, that is in the way: try again.')
                                when statement ? 'carries' then 'The failed statement carries over ' || (statement ->> 'carries') || '.'
                                when not quotes_rows then nullif(hnt, '') end,
                   'context', (
                     -- Function and line only: the rest of the context may hold whole statements, and so rows.
                     select string_agg(f.name || ' line ' || c.place[2], E'\\n' order by c.at)
                       from regexp_matches(ctx, '^PL/pgSQL \\S+ (.*?\\)) \\S+ (\\d+) ', 'gn') with ordinality as c(place, at)
                       join (select p.oid::regprocedure::text as name, quote_ident(p.proname) || substr(p.oid::regprocedure::text, position('(' in p.oid::regprocedure::text)) as bare
                               from pg_proc p join pg_language l on l.oid = p.prolang
                              -- The envelope of a batch's connection is a function, too.
                              where l.lanname = 'plpgsql' and p.pronamespace <> pg_catalog.pg_my_temp_schema()) f
                         on c.place[1] in (f.name, f.bare)))) where value is not null)
            from (select ${json(standardText)} as texts) standard
           where ${isOurs(variant)} and ${hasStatus(failure.from)}`

/** The runs of the other members of a group end, because the view has to be refreshed without them. */
export const leavingOut: Transition = {
  from: ['running'],
  to: ['skipped'],
  proof: 'the server process that claimed the run goes on with a plan for one view',
}

/** For the envelope: ends our runs except run `run`. */
export const leaveOthersOut = `update viewkeeper.runs r set status = 'skipped', finished_at = clock_timestamp(), updated_at = clock_timestamp(), duration_ms = 0,
                 meta = jsonb_set(r.meta, '{response,because}', to_jsonb(format('it was not refreshed together with %s, because that was impossible (run %s)', the_view, run)))
           where r.id <> run and ${isOurs('full')} and ${hasStatus(leavingOut.from)}`
