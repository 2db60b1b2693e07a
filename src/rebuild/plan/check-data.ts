import { type Checking, checksOf, type DataCheck } from '../../catalog/plan/checks.ts'
import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import { recordChecks } from '../../record/plan/work.ts'
import { answerSetting } from '../../sealed/plan/text.ts'
import { literal, quoteIdentifier, quoteName, regclass } from '../../sql/names.ts'
import type { RunPlan, Seal, Statement } from '../../sql/run-plan.ts'
import { madeChecks } from '../../sql/settings.ts'
import { command } from '../../words/commands.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

import { setting } from './locks.ts'

/** What is checked: the view, and the relation that holds its new data, which is the view itself or its shadow. */
export interface Checked {
  view: QualifiedName
  relation: QualifiedName
  /** The plain view with the query of an incremental table. */
  query?: QualifiedName
  /** As whom. */
  seal: Seal
  /** What holding the data back means. Default: readers keep the data from before. */
  otherwise?: string
  /** Rewrites a query for views whose new data are elsewhere, too. */
  onShadows?: (query: string) => string
  /** The query that compares the new data with those that readers see, if there are both. */
  comparison?: string | undefined
}

/**
 * The statements that check new data, before anybody sees them: each check is asked sealed, as the owner of the view. The first check
 * that finds rows fails the run, unless it only warns. Nothing without checks.
 */
export function checkData(checked: Checked, checking: Checking | null | undefined): Statement[] {
  if (!checking) return []
  const all = checksOf(checked.view.name, checking.checks, checking.lastRows)
  return makeChecks(
    checked,
    all.flatMap((check) => {
      if (check.atMost === undefined) return check
      return checked.comparison === undefined
        ? []
        : { ...check, comparison: differing(checked, checked.comparison, check.atMost) }
    }),
  )
}

/** A check compares a view of at most so many rows: it reads and sorts all of them, twice. */
const mostCompared = 10_000_000

/** A comparison as a check: it finds the rows that differ, if they are more than allowed. A view that is too large to be compared does not pass. */
const differing = ({ view }: Checked, comparison: string, atMost: number): string =>
  `select case when c.reltuples > ${mostCompared} then jsonb_build_object('rows', 1, 'about', c.reltuples::int8) else (
    select jsonb_build_object('rows', case when differ * 100 > ${atMost} * before and before > 0 then differ else 0 end, 'differs', found)
      from (select found, (found ->> 'before')::int8 as before, (found ->> 'added')::int8 + (found ->> 'gone')::int8 + (found ->> 'changed')::int8 as differ
              from (${comparison}) as compared) as counted) end
  from pg_class c where c.oid = ${regclass(view)}`

/** The statements that make one check and note what it finds, which may be rows. See `madeChecks`. */
export const measureCheck = (checked: Checked, check: DataCheck): Statement[] =>
  makeChecks(checked, [{ ...check, warns: true }])

const makeChecks = (checked: Checked, checks: DataCheck[]): Statement[] =>
  checks.flatMap((check) => checkOne(checked, check))

function checkOne(checked: Checked, check: DataCheck): Statement[] {
  const { view, relation, seal, otherwise = 'readers keep the data from before', onShadows } = checked
  const label = `check ${JSON.stringify(check.name)}`
  const note = `jsonb_build_object('view', ${literal(`${view.schema}.${view.name}`)}, 'name', ${literal(check.name)}${check.warns ? ", 'severity', 'warn'" : ''})`
  return [
    {
      ...ours(queryOfCheck(view, relation, check, onShadows), relation),
      kind: 'asked',
      seal,
      reads: relation.name,
      view: `${displayName(view)}, ${label}`,
      computesRows: true,
    },
    ours(
      `select set_config('${madeChecks}', (coalesce(nullif(current_setting('${madeChecks}', true), ''), '[]')::jsonb
  || jsonb_strip_nulls(${note} || ${answer}))::text, true)`,
      relation,
    ),
    ...(check.warns
      ? []
      : [
          {
            kind: 'check',
            phase: 'checking',
            sql: `select case when (found ->> 'rows')::bigint = 0 then '0'
  else ${tellRows(check)} || E'\\x1e' || ${toSee(checked, check)} end from (select ${answer}) as f(found)`,
            check: {
              is: '0',
              else: 'CheckFailed',
              message: `${label} holds the new data of ${displayName(view)} back: ${otherwise}.`,
              tells: 'Found: ',
            },
            hidden: true,
          } satisfies Statement,
        ]),
  ]
}

/** SQL for what shows the rows that a check has found. */
const toSee = (
  { view, relation, query: shown = relation, onShadows }: Checked,
  { atMost, query }: DataCheck,
): string =>
  atMost === undefined
    ? `format('To see them, log in as %s, the owner of the view: ', (select relowner::regrole from pg_class where oid = ${regclass(onShadows === undefined ? shown : view)}))
    || ${literal(`with ${quoteIdentifier(view.name)} as (`)} || rtrim(pg_get_viewdef(${regclass(onShadows === undefined ? shown : view)}), '; ')
    || ${literal(`)\n${query}`)}`
    : literal(`${toSeeThem}${command(['diff', displayName(view)], null)}`)

/**
 * As whom the data of a view are checked in place. Throws a Problem if we may not act as the view's owner, or it may make no
 * helper.
 */
export function insistOnChecking({ view, counting, mayActAsOwner }: ViewFacts): Seal {
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
const tellRows = ({ rows, atMost }: DataCheck): string =>
  atMost !== undefined
    ? `(select case when d is null then format('about %s rows, of which at most ${mostCompared} can be compared: write a check of another kind.', found ->> 'about')
  else format('%s of %s rows differ: %s added, %s gone, %s changed. At most ${atMost} %% may.', added + gone + changed, before, added, gone, changed) end
  from jsonb_to_record(found -> 'differs') as d (before int8, added int8, gone int8, changed int8))`
    : rows === undefined
      ? `format('%s %s.', found ->> 'rows', case found ->> 'rows' when '1' then 'row' else 'rows' end)`
      : `format('%s rows instead of ${rows.max === null ? `at least ${rows.min}` : `${rows.min} to ${rows.max}`}.', found ->> 'counted')`

/** The query for how many rows a check finds, as a JSON object; about the number of rows, also for that number. */
export function queryOfCheck(
  view: QualifiedName,
  relation: QualifiedName,
  { query, rows, comparison }: DataCheck,
  onShadows: (query: string) => string = (query) => query,
): string {
  if (comparison !== undefined) return comparison
  const it = `with ${quoteIdentifier(view.name)} as not materialized (select * from ${quoteName(relation)})`
  if (rows === undefined)
    // The line break ends a comment at the end of the query.
    return `${it} select jsonb_build_object('rows', count(*)) from (${onShadows(query)}\n) as found`
  const { min, max } = rows
  return `${it} select jsonb_build_object('rows', case when n >= ${min}${max === null ? '' : ` and n <= ${max}`} then 0 else 1 end, 'counted', n) from (select count(*) as n from ${quoteIdentifier(view.name)}) as counted`
}

/** The same while readers are locked out: somebody may hold the record, and they shall not wait for that. */
export const recordChecksSoon = (checking: Checking | null | undefined): Statement[] =>
  recordChecks([checking]).flatMap((statement) => [setting('lock_timeout', '1000'), statement])

/** Records the checks of a plan, and `more`, before its exchange takes locks that readers notice. */
export const recordsFirst = (
  locked: RunPlan['locked'],
  checkings: (Checking | null | undefined)[],
): RunPlan['locked'] => ({
  ...locked,
  statements: [...recordChecks(checkings), ...locked.statements],
})

/** What the query before has answered. */
export const answer = `current_setting('${answerSetting}')::jsonb`

export const ours = (sql: string, relation: QualifiedName): Statement => ({
  kind: 'command',
  phase: 'checking',
  sql,
  obstacles: hintsOn(relation, 'count'),
  hidden: true,
})

/** What comes before the command that shows the rows, in the hint of a run that a check failed. */
export const toSeeThem = 'To see them: '
