import { type Patience, untilUnlocked } from '../catalog/db/look.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import type { Refusal } from '../rebuild/plan/fill.ts'
import { setting } from '../rebuild/plan/locks.ts'
import type { AroundFilling } from '../rebuild/plan/make.ts'
import type { Filler } from '../rebuild/plan/plan.ts'
import type { Member, Scope } from '../rebuild/plan/scope.ts'
import { sealedAsOwner } from '../rebuild/plan/shadow.ts'
import type { Sql } from '../server/database.ts'
import { unlessLocked } from '../server/transactions.ts'
import { literal, logName, quoteName } from '../sql/names.ts'
import type { KnownAges, Statement } from '../sql/plan.ts'
import { displayName, displayPart, type QualifiedName } from '../words/names.ts'
import { duration } from '../words/phrases.ts'
import { Problem } from '../words/problem.ts'
import { countingSlices, type Mark, noteFound } from './plan/count.ts'
import { aroundOf, fillBySlices, fillBySlicesBeside } from './plan/fill.ts'
import { forget, logRead, look } from './plan/forget.ts'
import { logsOf } from './plan/log.ts'
import { compareUntouched, countTouched, rowsTouched } from './plan/rows.ts'
import type { Shown } from './plan/shown.ts'
import { noteWrong, wrongSlices } from './plan/wrong.ts'

/**
 * Finds out by the log beside a view which of its rows a refresh has to compute anew. The log decides when the shadow is filled: here it is only read
 * whether it may be believed, which takes that nothing has changed since the last refresh but rows of tables. A refusal says why the
 * view is refreshed as if it had no log; undefined: it has none. `gone`: the view was exchanged or dropped meanwhile. `group`: the shadow is that of
 * a batch's group, which is exchanged later, and forgets what was read then. If a lock keeps it from being read, throws what `lookAtView` throws.
 */
export const findTouched = (
  sql: Sql,
  view: ViewFacts,
  patience: Patience = {},
  group?: Scope,
): Promise<Filler | Refusal | 'gone' | undefined> =>
  untilUnlocked(sql, view, patience, () => unlessLocked(sql, (sql) => readTouched(sql, view, group)))

async function readTouched(
  sql: Sql,
  view: ViewFacts,
  group: Scope | undefined,
): Promise<Filler | Refusal | 'gone' | undefined> {
  // What proves slices is loaded only for a view beside which something has the name of a log.
  const { readLog, readLogged } = await import('./slices.ts')
  const logged = await readLogged(sql, view)
  if (logged === null) return undefined
  const { log, because: unbelieved } = await readLog(sql, view, logged)
  if (unbelieved === undefined) return 'gone'
  if (log === null || unbelieved !== null)
    return new Problem('InvalidRequest', `the log of its changes is not used: ${unbelieved}`)
  const { by, shown, exact } = log
  // Of the plain view that it shows the text: an exchange writes it anew.
  const world = `select viewkeeper.world(${shown.oid}, array[${logsOf(log).map((each) => `to_regclass(${literal(each.log)})::oid`)}], true) || jsonb_build_object('query', md5(pg_get_viewdef(${shown.oid})))`
  const [state] = await sql<
    {
      world: Record<string, string>
      text: string
      toucher: string
      wholeAt: string | null
      because: string | null
      due: string | null
      now: string
      logOid: number
      wholeMs: number | null
      tooMany: number | null
    }[]
  >`
    select now.world, now.world::text as text, coalesce((
             select (array_agg(anew order by anew))[2] from (
               select (r.meta #>> '{response,slices,anew}')::int8 as anew, (r.meta #>> '{response,fillMs}')::float8 as ms
                 from viewkeeper.runs r where r.definition_id = last.definition_id and r.status = 'success' order by r.id desc limit 20) lately
              where anew > 0 and ms > (last.mark ->> 'wholeMs')::float8),
             (select n from (select ceil(0.3 * (last.mark ->> 'of')::float8)::int8) few(n) where n >= 100)) as "tooMany",
           c.xmin::text as toucher, last.mark ->> 'wholeAt' as "wholeAt", to_jsonb(clock_timestamp()) #>> '{}' as now,
           case when last.mark ? 'anew' then (last.mark ->> 'wholeMs')::float8 else last.fill_ms end as "wholeMs",
           l.oid::int8 as "logOid", case when (last.mark ->> 'wholeAt')::timestamptz < clock_timestamp() - coalesce(last.every, '1 day')::interval
                                         then coalesce('every ' || last.every || ' all are', 'once a day all are') end as due,
           case when (last.wrong ->> 'log')::int8 = l.oid::int8
                then format('run %s found %s of them wrong that the log had not named, so nobody believes it until it is dropped and made anew', last.wrong ->> 'run', last.wrong ->> 'wrong')
                when last.mark -> 'world' is null then 'the last refresh has not read the log'
                when not last.is_ours then 'somebody has refreshed it, or granted privileges on it, outside of the record'
                when last.mark ->> 'by' <> ${by} then 'the log is a new one'
                else viewkeeper.changed(last.mark -> 'world', now.world) end as because
      from pg_class c
      join pg_class l on l.oid = to_regclass(${logsOf(log)[0]!.log})
     cross join lateral (${sql.unsafe(world)}) now(world)
      left join lateral (
        select r.definition_id, r.meta #> '{response,slices}' as mark, (r.meta #>> '{response,fillMs}')::float8 as fill_ms, d.slices ->> 'wholeEvery' as every, coalesce(r.filled = viewkeeper.filling(c.oid) and r.touched = c.xmin::text, false) as is_ours,
               (select s.value -> d.id::text from viewkeeper.switches s where s.key = ${wrongSlices}) as wrong
          from viewkeeper.definitions d cross join viewkeeper.last_success(d.id) f(id) join viewkeeper.runs r on r.id = f.id
         where d.schema_name = ${view.schema} and d.name = ${view.name}) last on true
     where c.oid = ${view.oid}::int8::oid`
  if (state === undefined) return 'gone'
  const stands = {
    sql: `select concat_ws(' ', (${world}), (select c.xmin from pg_class c where c.oid = ${view.oid}))`,
    is: `${state.text} ${state.toucher}`,
  }
  const part = { by, columns: shown.columns }
  const changed = state.because ?? (group && whyWhole(group, shown)) ?? null
  const because = changed ?? state.due
  const compares = changed === null && because !== null && exact !== null
  // Measured, if two of the last 20 refreshes computed no more slices, and took longer than all of them had; else 30 %: a slice by itself costs many
  // times its share of all. A hundred are computed before that matters.
  const most = because === null ? state.tooMany : null
  const rows = rowsTouched(part, log, most)
  const count = countTouched(part, log, because !== null, most)
  const compare = compareUntouched(log)
  // Old rows of slices that the log does not name are as the query would compute them now.
  const known: KnownAges = { [view.oid]: { view: ['', ''], asOf: 'infinity' } }
  const counting = (shadow: string) =>
    compares ? `select (${count(shadow)}) || (${compare(shadow)})` : count(shadow)
  const noteCompared = compares ? [noteWrong(state.logOid)] : []
  const check: Statement = {
    kind: 'check',
    phase: 'building',
    sql: stands.sql,
    check: {
      is: stands.is,
      else: 'CatalogChanged',
      message: `What ${view.view} is computed from was changed while its slices were computed. Nothing was exchanged: refresh again.`,
    },
    hidden: true,
  }
  const mark: Mark = {
    by,
    world: state.world,
    ...(state.wholeMs !== null && { wholeMs: state.wholeMs }),
    wholeAt: because === null ? state.wholeAt! : state.now,
  }
  return {
    shown: shown.oid,
    words:
      because === null
        ? `computes slices of ${displayPart(by)} anew, those that changes have touched${state.wholeMs === null ? '' : `; all of them took ${duration(state.wholeMs)}`}`
        : `computes all slices of ${displayPart(by)} anew: ${because}${changed === null && exact === null ? ', and none can be compared, because its query does not tell which rows there are' : ''}`,
    found: { answer: { slices: mark }, holds: stands },
    around:
      group === undefined
        ? aroundOf(view, shown, (rebuild, members) => {
            const sliced = because === null ? fillBySlices(rebuild, { ...members, rows }) : filledWhole
            return countingSlices(rebuild, members.view, counting, {
              before: [look, ...sliced.before],
              after: [...sliced.after, forgetRead(members.view), check],
              record: noteCompared,
              known,
            })
          })
        : ({ members }) =>
            (rebuild) => {
              const memberOf = ({ oid }: { oid: number }) => members.find((each) => each.oid === oid)!
              const above = memberOf(view)
              const sliced =
                because === null
                  ? fillBySlicesBeside(rebuild, { view: above, shown: memberOf(shown), rows })
                  : filledWhole
              return countingSlices(rebuild, above, counting, {
                before: [look, ...sliced.before],
                after: [...sliced.after, noteRead, ...(changed === null ? [check] : [])],
                record: [...(sliced.record ?? []), ...noteCompared],
                known,
              })
            },
  }
}

const filledWhole: AroundFilling = { before: [], after: [] }

/** Why a member of a batch's group that shows this plain view is not computed by slices; null: it may be. */
function whyWhole({ members }: Scope, shown: Shown): string | null {
  const below = members.find(({ oid }) => oid === shown.oid)
  if (below === undefined) return `the batch makes no shadow of ${shown.view}, which it shows`
  const read = members.find(({ oid }) => below.reads.includes(oid))
  return read === undefined
    ? null
    : `it reads ${displayName(read.live.view)}, which the batch makes anew, too`
}

/** Lets the record of the run say what it has read of the log. */
const noteRead: Statement = {
  kind: 'command',
  phase: 'building',
  sql: noteFound(`jsonb_build_object('read', current_setting('${logRead}'))`),
  hidden: true,
}

/** Takes from the log of a view what was read of it. */
const forgetRead = ({ live }: Member): Statement => ({
  phase: 'building',
  sql: forget(logName(live.view), 'read'),
  ...sealedAsOwner(live),
})

/** What a run has read of the log of a view when it filled a shadow: what this snapshot sees. */
export interface Read extends QualifiedName {
  snapshot: string
}

/** Takes from the logs of a group what its shadows have read of them: what each snapshot sees. */
export const forgetAll = ({ members }: Scope, read: Read[]): Statement[] =>
  members.flatMap((member) =>
    read
      .filter((view) => quoteName(view) === quoteName(member.live.view))
      .flatMap(({ snapshot }) => [setting(logRead, snapshot), forgetRead(member)]),
  )
