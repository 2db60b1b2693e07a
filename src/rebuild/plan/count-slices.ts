import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { wrongSlices } from '../../catalog/plan/run.ts'
import { literal, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { type Checked, helper, ours } from './check-data.ts'
import type { AroundFilling } from './make.ts'
import { type Member, type Rebuild, shadowName } from './scope.ts'
import { ownersSandbox } from './shadow.ts'

// What a refresh by slices finds out about itself while its shadow is built: in a setting of the transaction, because the record of the run
// is written only when somebody may wait for it, right before the exchange.

/** The server's setting that holds it, as a JSON object with numbers. */
const found = 'viewkeeper.slices'

/** Counts the slices of a view once its shadow is filled, by a query about the shadow, and records them right before the exchange. */
export function countingSlices(
  rebuild: Rebuild,
  view: Member,
  queryOf: (shadow: string) => string,
  { before, after, record = [], ...around }: AroundFilling,
): AroundFilling {
  const shadow = shadowName(rebuild, view)
  const key = `${rebuild.place.key}_${view.oid}`
  const counted = { relation: shadow, sandbox: ownersSandbox(view.live), key }
  return {
    ...around,
    before,
    after: [...findOut(counted, queryOf(quoteName(shadow))), ...after],
    record: [recordSlices, ...record],
  }
}

/** Adds a JSON object, an expression, to what the record of the run will say of slices. */
export const noteFound = (object: string): string =>
  `select set_config('${found}', (coalesce(nullif(current_setting('${found}', true), ''), '{}')::jsonb || ${object})::text, true)`

/** Executes a query for a JSON object as the owner of the view, sandboxed as checks are, and adds the object to what was found. */
function findOut({ relation, sandbox, key }: Omit<Checked, 'view'>, query: string): Statement[] {
  const name = `${sandbox.schema}.${quoteIdentifier(`viewkeeper_slices_${key}`)}`
  const counting = (sql: string): Statement => ({ ...ours(sql, relation), phase: 'counting' })
  return inPlaceOf(sandbox.role, [
    counting(`create function ${name}(text) returns jsonb language plpgsql as ${literal(helper)}`),
    counting(
      `create materialized view ${name} as select ${name}(${literal(query)}::text) as found with no data`,
    ),
    { ...counting(`refresh materialized view ${name}`), computesRows: true },
    counting(noteFound(`(select found - 'ms' from ${name})`)),
    counting(`drop materialized view ${name}`),
    counting(`drop function ${name}(text)`),
  ])
}

/**
 * Writes what was found into the answer of the run, and into its reason, which begins with "computes slices" or "computes all slices". Comes where
 * the record may be locked.
 */
const recordSlices: Statement = {
  kind: 'command',
  phase: 'counting',
  sql: `update viewkeeper.runs r set meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || jsonb_build_object(
    'slices', coalesce(r.meta #> '{response,slices}', '{}') || it,
    'because', regexp_replace(r.meta #>> '{response,because}', '^computes (all )?slices',
      concat('computes ', coalesce(it ->> 'anew', 'all'), ' of about ' || (it ->> 'of'), ' slices'))
      || case when it ? 'compared' then format('; of %s slices that no change has touched, %s differed', it ->> 'compared', it ->> 'wrong') else '' end))
  from (select nullif(current_setting('${found}', true), '')::jsonb) found(it)
 where r.id = current_setting('viewkeeper.run')::bigint and r.status = 'running' and it is not null`,
  hidden: true,
}

/** Notes that slices were wrong, for as long as the log of this OID stands: nobody believes it any more. */
export const noteWrong = (log: number): Statement => ({
  kind: 'command',
  phase: 'counting',
  sql: `insert into viewkeeper.switches as s (key, value)
select '${wrongSlices}', jsonb_build_object(r.definition_id, jsonb_build_object('log', ${log}, 'run', r.id) || it)
  from viewkeeper.runs r cross join (select nullif(current_setting('${found}', true), '')::jsonb) found(it)
 where r.id = current_setting('viewkeeper.run')::bigint and r.definition_id is not null and (it ->> 'wrong')::int8 > 0
    on conflict (key) do update set value = s.value || excluded.value, updated_at = clock_timestamp()`,
  hidden: true,
})
