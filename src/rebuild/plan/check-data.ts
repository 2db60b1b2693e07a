import { inPlaceOf } from '../../catalog/plan/acting.ts'
import { type Checks, checksOf, type DataCheck, toSeeThem } from '../../catalog/plan/checks.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import type { ViewFacts } from '../../catalog/plan/view-facts.ts'
import { Problem } from '../../problem.ts'
import {
  displayName,
  literal,
  type QualifiedName,
  quoteIdentifier,
  quoteName,
  regclass,
} from '../../sql/names.ts'
import type { Plan, Sandbox, Statement } from '../../sql/plan.ts'
import { safePath } from '../../sql/search-path.ts'
import { setting } from './locks.ts'

/** The checks that a run makes of the new data of a view. */
export interface Checking {
  checks: Checks
  /** How many rows the view had at the last success; null: nobody knows. */
  lastRows: number | null
}

/** What is checked of a view; null without checks. */
export const checkingOf = (
  definition: { checks: Checks } | undefined,
  lastRows: number | null = null,
): Checking | null =>
  definition === undefined || Object.keys(definition.checks).length === 0
    ? null
    : { checks: definition.checks, lastRows }

/** What is checked: the view, and the relation that holds its new data, which is the view itself or its shadow. */
export interface Checked {
  view: QualifiedName
  relation: QualifiedName
  /** As whom, and where the helpers are made. */
  sandbox: Sandbox
  /** Tells helpers of several views apart. */
  key: string
  /** What holding the data back means. Default: readers keep the data from before. */
  otherwise?: string
  /** Rewrites a query for views whose new data are elsewhere, too. */
  onShadows?: (query: string) => string
}

/**
 * Executes a query for two numbers, and says how long that took. The query may only read: the server refuses every write in a
 * part of a transaction that only reads, and leaving the part ends that. The names after the query are the catalog's again.
 */
const helper = `declare began constant timestamptz := clock_timestamp(); bad bigint; counted bigint;
begin
  begin
    perform set_config('transaction_read_only', 'on', true);
    execute $1 into bad, counted;
    perform pg_catalog.set_config('search_path', ${literal(safePath)}, true);
  exception when sqlstate 'VK002' then raise;
  end;
  return jsonb_build_object('rows', bad, 'counted', counted, 'ms', round(extract(epoch from clock_timestamp() - began) * 1000, 1));
end`

/**
 * The statements that check new data, before anybody sees them: each check is executed sandboxed, as the owner of the view, by a
 * function that fills a throwaway view; see `src/rebuild/db/sandbox.ts`. The first check that finds rows fails the run, unless it only
 * warns. Nothing without checks.
 */
export function checkData(checked: Checked, checking: Checking | null | undefined): Statement[] {
  if (!checking) return []
  return makeChecks(checked, checksOf(checked.view.name, checking.checks, checking.lastRows))
}

/** The statements that make one check and note what it finds, which may be rows. See `madeChecks`. */
export const measureCheck = (checked: Checked, check: DataCheck): Statement[] =>
  makeChecks(checked, [{ ...check, warns: true }])

/** The server's setting that notes the checks made in a transaction, as JSON. */
export const madeChecks = 'viewkeeper.checks'

function makeChecks(checked: Checked, checks: DataCheck[]): Statement[] {
  const { relation, sandbox, key } = checked
  const helperName = `${sandbox.schema}.${quoteIdentifier(`viewkeeper_check_${key}`)}`
  return inPlaceOf(sandbox.role, [
    command(
      `create function ${helperName}(text) returns jsonb language plpgsql as ${literal(helper)}`,
      relation,
    ),
    ...checks.flatMap((check) => checkOne(checked, check, helperName)),
    command(`drop function ${helperName}(text)`, relation),
  ])
}

function checkOne(checked: Checked, check: DataCheck, helperName: string): Statement[] {
  const { view, relation, otherwise = 'readers keep the data from before', onShadows } = checked
  const query = queryOfCheck(view, relation, check, onShadows)
  const label = `check ${JSON.stringify(check.name)}`
  const note = `jsonb_build_object('view', ${literal(`${view.schema}.${view.name}`)}, 'name', ${literal(check.name)}${check.warns ? ", 'severity', 'warn'" : ''})`
  return [
    command(
      `create materialized view ${helperName} as select ${helperName}(${literal(query)}::text) as found with no data`,
      relation,
    ),
    {
      ...command(`refresh materialized view ${helperName}`, relation),
      phase: 'checking',
      view: `${displayName(view)}, ${label}`,
      computesRows: true,
    },
    command(
      `select set_config('${madeChecks}', (coalesce(nullif(current_setting('${madeChecks}', true), ''), '[]')::jsonb
  || (select jsonb_strip_nulls(${note} || found) from ${helperName}))::text, true)`,
      relation,
    ),
    ...(check.warns
      ? []
      : [
          {
            kind: 'check',
            phase: 'checking',
            sql: `select case when (found ->> 'rows')::bigint = 0 then '0'
  else ${tellRows(check)} || E'\\x1e' || ${literal(`${toSeeThem}with ${quoteIdentifier(view.name)} as (`)} || rtrim(pg_get_viewdef(${regclass(onShadows === undefined ? relation : view)}), '; ')
    || ${literal(`)\n${check.query}`)} end from ${helperName}`,
            check: {
              is: '0',
              else: 'CheckFailed',
              message: `${label} holds the new data of ${displayName(view)} back: ${otherwise}.`,
              tells: 'Found: ',
            },
            hidden: true,
          } satisfies Statement,
        ]),
    command(`drop materialized view ${helperName}`, relation),
  ]
}

/**
 * As whom the data of a view are checked in place. Throws a Problem if we may not act as the view's owner, or it may make no
 * helper.
 */
export function insistOnChecking({ view, counting, mayActAsOwner }: ViewFacts): Sandbox {
  if (counting !== null) return counting
  throw new Problem(
    'InsufficientPrivilege',
    mayActAsOwner
      ? `The owner of ${view} cannot check its data: the owner lacks usage or create on the schema of the view. Grant both to the owner.`
      : `The data of ${view} cannot be checked: the login may not act as the owner of the view, and checks are executed as the owner. ` +
          'npx viewkeeper doctor says which grant is missing.',
  )
}

/** How many rows were found, in words, as SQL. */
const tellRows = ({ rows }: DataCheck): string =>
  rows === undefined
    ? `format('%s %s.', found ->> 'rows', case found ->> 'rows' when '1' then 'row' else 'rows' end)`
    : `format('%s rows instead of ${rows.max === null ? `at least ${rows.min}` : `${rows.min} to ${rows.max}`}.', found ->> 'counted')`

/** The query for how many rows a check finds; about the number of rows, also for that number. */
export function queryOfCheck(
  view: QualifiedName,
  relation: QualifiedName,
  { query, rows }: DataCheck,
  onShadows: (query: string) => string = (query) => query,
): string {
  const it = `with ${quoteIdentifier(view.name)} as not materialized (select * from ${quoteName(relation)})`
  if (rows === undefined)
    // The line break ends a comment at the end of the query.
    return `${it} select count(*), null::bigint from (${onShadows(query)}\n) as found`
  const { min, max } = rows
  return `${it} select case when n >= ${min}${max === null ? '' : ` and n <= ${max}`} then 0 else 1 end, n from (select count(*) as n from ${quoteIdentifier(view.name)}) as counted`
}

/**
 * The statement that writes what the checks have found into the records of the run and of its members. It comes where the
 * records may be locked.
 */
export const recordChecks = (checkings: (Checking | null | undefined)[]): Statement[] =>
  checkings.every((each) => !each)
    ? []
    : [
        {
          kind: 'command',
          phase: 'checking',
          sql: `update viewkeeper.runs r set checks = made.of
  from (select c ->> 'view' as view, jsonb_agg(c - 'view' order by at) as of
          from jsonb_array_elements(current_setting('${madeChecks}')::jsonb) with ordinality as x(c, at) group by 1) as made
 where made.view = r.schema_name || '.' || r.view_name and r.status = 'running'
   and current_setting('viewkeeper.run')::bigint in (r.id, r.group_run_id)`,
          hidden: true,
        },
      ]

/** The same while readers are locked out: somebody may hold the record, and they shall not wait for that. */
export const recordChecksSoon = (checking: Checking | null | undefined): Statement[] =>
  recordChecks([checking]).flatMap((statement) => [setting('lock_timeout', '1000'), statement])

/** Records the checks of a plan before its cut-over takes locks that readers notice. */
export const recordsFirst = (
  cutOver: Plan['cutOver'],
  checkings: (Checking | null | undefined)[],
): Plan['cutOver'] => ({
  ...cutOver,
  statements: [...recordChecks(checkings), ...cutOver.statements],
})

const command = (sql: string, relation: QualifiedName): Statement => ({
  kind: 'command',
  phase: 'checking',
  sql,
  obstacles: hintsOn(relation, 'count'),
  hidden: true,
})
