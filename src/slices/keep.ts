import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import { inPlaceOf } from '../catalog/plan/rights.ts'
import { checkData, insistOnChecking } from '../rebuild/plan/check-data.ts'
import { analyze, filling, type RunOptions, uniqueOf } from '../rebuild/plan/fill.ts'
import { besideReaders } from '../rebuild/plan/locks.ts'
import { type Patience, untilUnlocked } from '../record/definitions/look.ts'
import { type Known, recordSlices } from '../record/plan/slice-marks.ts'
import { lockWhatIsRead, recordChecks } from '../record/plan/work.ts'
import { noteWrong } from '../record/plan/wrong-slices.ts'
import { holdsOf, insistOnHolds, readKnown } from '../record/runs/known-slices.ts'
import type { Sql } from '../server/database.ts'
import { unlessLocked } from '../server/transactions.ts'
import { logName, queryViewOf, quoteName } from '../sql/names.ts'
import type { RunPlan, Statement } from '../sql/run-plan.ts'
import { version } from '../version.ts'
import { newLog } from '../words/commands.ts'
import { Problem } from '../words/problem.ts'
import type { Computes } from '../words/run.ts'
import { type Asked, findRange } from './asked.ts'
import { howToFit, type KeptFacts, noLog, notWritten, readFinds, readKept, readLogged } from './db/kept.ts'
import { findOut, noteWritten } from './plan/count.ts'
import { type SomeRows, writeDifference } from './plan/difference.ts'
import { forget, look } from './plan/forget.ts'
import {
  compareUntouched,
  countAll,
  countBetween,
  countTouched,
  findsOf,
  isBetween,
  type ReadLog,
  touchedRows,
  withFinds,
} from './plan/rows.ts'
import { computedBy, markOf, overflows, readsOfProof, tooMany, whyDue, whyNotBelieved } from './plan/trust.ts'

/** A refresh of an incremental table: which rows it computes, and what it says of that. */
interface Part {
  computes: Computes
  some: SomeRows
  /** All other rows stay as they are, whatever has changed. */
  keeps?: true
  /** A query about the table, and its query, for what the run tells of itself, before or after it writes; and one about its log, before that. */
  asks?: { before?: string; after?: string; log?: string }
  answer?: object
  log?: {
    holds: NonNullable<RunPlan['basis']>
    isBelieved: boolean
    logOid: number
    last: Known['mark']
  }
}

interface KeepOptions extends RunOptions, Pick<Patience, 'until'> {
  sql: Sql
  asked?: Asked | undefined
  strategy: Strategy
  /** Whether it has to have a change log. */
  hasLog: boolean
}

interface Planned {
  plan: RunPlan
  response: { strategy: string; computes: Computes }
}

/**
 * Plans the refresh of an incremental table. It computes the rows of the slices that its change log names, or that were asked for, else all, and writes
 * those that differ, in one statement. Nobody waits: not for a lock, and not on a replica. Throws InvalidRequest for another strategy, and for a table
 * of which somebody has made more than that. `gone`: it was altered or dropped meanwhile.
 */
export async function planKept(
  view: ViewFacts,
  { sql, asked, strategy, hasLog, until = 0, ...options }: KeepOptions,
): Promise<Planned | 'gone'> {
  if (strategy !== 'auto')
    throw new Problem(
      'InvalidRequest',
      `${view.view} is an incremental table, of which a refresh writes the rows that differ, whatever the strategy: leave out "${strategy}".`,
      { field: 'strategy' },
    )
  return untilUnlocked(sql, view, { until, ifRunning: options.ifRunning }, () =>
    unlessLocked(sql, (sql) => planAsSeen(view, sql, { asked, hasLog }, options)),
  )
}

async function planAsSeen(
  view: ViewFacts,
  sql: Sql,
  which: Pick<KeepOptions, 'asked' | 'hasLog'>,
  options: RunOptions,
): Promise<Planned | 'gone'> {
  const facts = await readKept(sql, view)
  if (facts === undefined) return 'gone'
  if (!facts.fits) {
    const anew = `drop table ${quoteName(view)}, then npx viewkeeper migrate up --repair`
    const typed = (await howToFit(sql, view, true)) || anew
    throw notWritten(view.view, `its query has other columns than the table. Type: ${typed}`)
  }
  const part = await partOf(sql, view, facts, which)
  if (part === 'gone') return part
  const { computes, answer = {} } = part
  return {
    plan: planOf(view, facts, part, options),
    response: { strategy: 'difference', computes, ...answer },
  }
}

async function partOf(
  sql: Sql,
  view: ViewFacts,
  facts: KeptFacts,
  { asked, hasLog }: Pick<KeepOptions, 'asked' | 'hasLog'>,
): Promise<Part | 'gone'> {
  if (asked !== undefined) {
    const range = await findRange(sql, view, asked)
    if (range === 'gone') return range
    const { by, values, from, to } = range
    const logged = view.logs ? await readLogged(sql, view) : null
    const state = logged?.by === by ? await readState(sql, view, facts, logged) : null
    if (state === 'gone') return state
    return {
      ...(state && passOn(view, logged!, state)),
      computes: { mode: 'range', by, from, to },
      some: { by, conditions: [(key) => isBetween(key, ...values)] },
      keeps: true,
      asks: { after: countBetween(quoteName(view), by, ...values) },
    }
  }
  const log = view.logs ? await readLogged(sql, view) : null
  if (log !== null) return touchedOf(sql, view, facts, log)
  return hasLog
    ? unused(`${noLog}; make it anew: ${newLog(view.view)}`)
    : { computes: { mode: 'all' }, some: null }
}

const unused = (because: string, log: number | null = null): Part => ({
  computes: { mode: 'all', unused: { because, log } },
  some: null,
})

/** What is known of a change log and of its view, and what both stand on. */
async function readState(sql: Sql, view: ViewFacts, facts: KeptFacts, logged: ReadLog) {
  const query = view.query as number
  const world = { query, logs: logged.parts.map((each) => each.log) }
  const proof = readsOfProof(view, `${version} ${facts.is}`)
  const finds = findsOf("last.mark -> 'joins'", logged, view.owner)
  const known = await readKnown(sql, view, { ...world, proof, finds })
  return known === undefined ? 'gone' : { known, world }
}

type State = Exclude<Awaited<ReturnType<typeof readState>>, 'gone'>

/** What the last success has noted, if no refresh has failed since. */
const lastOf = ({ mark, hasFailed }: Known): Known['mark'] => (hasFailed ? null : mark)

/** What slices that were asked for leave to the next refresh: the log as it was, if it could have been believed and its proof holds; and that it cannot be used. */
function passOn(view: ViewFacts, logged: ReadLog, { known, world }: State) {
  const { mark, proof, logOid } = known
  if (overflows(known)) return { answer: { slices: { overflows: logOid } } }
  if (whyNotBelieved(known, logged) !== null || proof === null || proof !== mark?.proof) return {}
  const log = { holds: holdsOf(view, world, known, []), isBelieved: true, logOid, last: lastOf(known) }
  return { answer: { slices: markOf(known, logged.by, null, mark.joins) }, log }
}

/** The rows that the change log tells, if it may be believed, which takes that nothing has changed since the last refresh but rows of tables. */
async function touchedOf(
  sql: Sql,
  view: ViewFacts,
  facts: KeptFacts,
  logged: ReadLog,
): Promise<Part | 'gone'> {
  const state = await readState(sql, view, facts, logged)
  if (state === 'gone') return state
  const { known, world } = state
  const { by } = logged
  const changed = whyNotBelieved(known, logged)
  const because = changed ?? whyDue(known)
  let exact: string[] | null = null
  let [joins, finds] = [known.mark?.joins, known.finds]
  // Else the proof holds that the last refresh has made.
  if (because !== null || known.proof === null || known.proof !== known.mark?.proof) {
    const { joinsOf, readLog } = await import('./slices.ts')
    const { log: proved, because: why } = await readLog(sql, view, by)
    if (why === undefined) return 'gone'
    if (why !== null) return unused(why, known.logOid)
    exact = proved!.exact
    joins = joinsOf(proved!)
    // Where nothing is believed, nothing is found by it.
    finds = changed === null ? await readFinds(sql, view, logged, joins) : null
  }
  const log = withFinds(logged, finds)
  const schemas = [...new Set(log.parts.flatMap((part) => part.finds?.schema ?? []))]
  const most = because === null ? tooMany(known) : null
  const isCheck = changed === null && because !== null
  const before = isCheck && exact !== null ? { before: compareUntouched(log, exact) } : {}
  return {
    computes: computedBy(known, log, because, !isCheck || exact !== null),
    some: because === null ? touchedRows(log, most) : null,
    asks: because === null ? { log: countTouched(log, most) } : { ...before, after: countAll(log) },
    answer: { slices: markOf(known, by, because, joins) },
    log: {
      holds: holdsOf(view, world, known, schemas),
      isBelieved: changed === null,
      logOid: known.logOid,
      last: lastOf(known),
    },
  }
}

/** The statements that write all rows of an incremental table that differ, in a plan that does more. */
export const writeAll = (view: ViewFacts, facts: KeptFacts): Statement[] => [
  lockWhatIsRead(queryViewOf(view)),
  ...(forgets(view) ? [look] : []),
  writing(view, facts, { some: null }),
  insistOnFacts(view, facts),
]

/** The statement that fails a run if the table is not as its plan was made for; by now nobody can alter it until the commit. */
const insistOnFacts = ({ view }: ViewFacts, { now, is }: KeptFacts): Statement => ({
  kind: 'check',
  phase: 'building',
  sql: `select ${now}`,
  check: {
    is,
    else: 'CatalogChanged',
    message: `${view} was altered while it was refreshed. Nothing was written: refresh again.`,
  },
  hidden: true,
})

/** Whether what a refresh has read leaves the log, whatever that is worth. */
const forgets = ({ logs }: ViewFacts, keeps = false) => logs && !keeps

const writing = (
  view: ViewFacts,
  facts: KeptFacts,
  { some, keeps }: Pick<Part, 'some' | 'keeps'>,
): Statement => {
  const query = queryViewOf(view)
  return {
    kind: 'sealed',
    phase: 'building',
    sql: writeDifference({ ...view, ...facts }, query, some),
    seal: insistOnChecking(view),
    ...(forgets(view, keeps) && { also: `;\n${forget(logName(view), 'read')}` }),
    computesRows: true,
    fills: { ...filling(view), query: quoteName(query), differs: true, ...(keeps && { keeps }) },
    unique: uniqueOf(view),
  }
}

function planOf(
  view: ViewFacts,
  facts: KeptFacts,
  { some, keeps, asks = {}, log }: Part,
  { timeoutSeconds, checking, ifRunning, settings }: RunOptions,
): RunPlan {
  const seal = insistOnChecking(view)
  const query = queryViewOf(view)
  const ask = (text: string | undefined, reads = view.name) =>
    text === undefined ? [] : findOut(view, seal, text, reads)
  return {
    ifRunning,
    basis: log?.holds ?? { sql: `select ${facts.now}`, is: facts.is },
    settings,
    result: 'updated',
    fills: true,
    prepare: [],
    locked: besideReaders(
      [view, query],
      [
        lockWhatIsRead(query),
        ...(forgets(view, keeps) ? [look] : []),
        ...ask(asks.log, ''),
        ...ask(asks.before),
        writing(view, facts, { some, keeps }),
        ...(some === null && !facts.isAnalyzed ? inPlaceOf(view.owner, [analyze(view)]) : []),
        noteWritten(view.oid, log?.last),
        insistOnFacts(view, facts),
        ...ask(asks.after),
        ...checkData({ view, relation: view, query, seal }, checking),
        ...(log?.isBelieved ? [insistOnHolds(view, log.holds)] : []),
        ...recordChecks([checking]),
        recordSlices,
        ...(log && asks.before ? [noteWrong(log.logOid)] : []),
      ],
      timeoutSeconds,
      'RowExclusiveLock',
    ),
    later: [],
  }
}
