import type { ViewFacts } from '../catalog/plan/live-view.ts'
import { wrongSlices } from '../catalog/plan/run.ts'
import { Problem } from '../problem.ts'
import { countingSlices, noteWrong } from '../rebuild/plan/count-slices.ts'
import type { Slicing } from '../rebuild/plan/plan.ts'
import { ownersSandboxed } from '../rebuild/plan/shadow.ts'
import { aroundOf, fillBySlices } from '../rebuild/plan/slices.ts'
import type { Sql } from '../server/database.ts'
import { type ChangeLog, logOf } from '../slices/plan/log.ts'
import { compareUntouched, countTouched, rowsTouched, wasRead } from '../slices/plan/rows.ts'
import { displayPart, quoteName } from '../sql/names.ts'
import type { Statement } from '../sql/plan.ts'
import { duration } from '../sql/words.ts'

/**
 * Finds out by the log beside a view which of its rows a refresh has to compute anew. The log decides when the shadow is filled: here it is only read
 * whether it may be believed, which takes that nothing has changed since the last refresh but rows of tables. A sentence says why the
 * view is refreshed as if it had no log; undefined: it has none. `gone`: the view was exchanged or dropped meanwhile.
 */
export async function findTouched(sql: Sql, view: ViewFacts): Promise<Slicing | string | undefined> {
  // What proves slices is loaded only for a view beside which something has the name of a log.
  const { planLog, readLogged, whyNoLog } = await import('../slices/slices.ts')
  const logged = await readLogged(sql, view)
  if (logged === null) return undefined
  const refused = (because: string) => `the log of its changes is not used: ${because}`
  let log: ChangeLog
  try {
    log = await planLog(sql, view, logged)
  } catch (error) {
    if (error instanceof Problem) return refused(error.message)
    throw error
  }
  const { by, shown, exact } = log
  const unbelieved = await whyNoLog(sql, log)
  if (unbelieved !== null) return unbelieved === undefined ? 'gone' : refused(unbelieved)
  const [state] = await sql<
    {
      shape: string
      toucher: string
      wholeAt: string | null
      because: string | null
      due: string | null
      now: string
      logOid: number
      wholeMs: number | null
    }[]
  >`
    select now.shape, c.xmin::text as toucher, last.mark ->> 'wholeAt' as "wholeAt", to_jsonb(clock_timestamp()) #>> '{}' as now,
           case when last.mark ? 'anew' then (last.mark ->> 'wholeMs')::float8 else last.fill_ms end as "wholeMs",
           l.oid::int8 as "logOid", case when (last.mark ->> 'wholeAt')::timestamptz < clock_timestamp() - coalesce(last.every, '1 day')::interval
                                         then coalesce('every ' || last.every || ' all are', 'once a day all are') end as due,
           case when (last.wrong ->> 'log')::int8 = l.oid::int8
                then format('run %s found %s of them wrong that the log had not named, so nobody believes it until it is dropped and made anew', last.wrong ->> 'run', last.wrong ->> 'wrong')
                when last.mark ->> 'shape' is null then 'the last refresh has not read the log'
                when not last.is_ours then 'somebody has refreshed it, or granted privileges on it, outside of the record'
                when last.mark ->> 'by' <> ${by} then 'the log is a new one'
                when last.mark ->> 'shape' <> now.shape then 'more than rows of tables has changed: the query, a table, a trigger, a view that it reads, or the server' end as because
      from pg_class c
      join pg_class l on l.relnamespace = c.relnamespace and l.relname = ${logOf(view).name}
     cross join lateral (select viewkeeper.shape(${shown.oid}::int8::oid)) now(shape)
      left join lateral (
        select r.meta #> '{response,slices}' as mark, (r.meta #>> '{response,fillMs}')::float8 as fill_ms, d.slices ->> 'wholeEvery' as every, coalesce(r.filled = viewkeeper.filling(c.oid) and r.touched = c.xmin::text, false) as is_ours,
               (select s.value -> d.id::text from viewkeeper.switches s where s.key = ${wrongSlices}) as wrong
          from viewkeeper.definitions d cross join viewkeeper.last_success(d.id) f(id) join viewkeeper.runs r on r.id = f.id
         where d.schema_name = ${view.schema} and d.name = ${view.name}) last on true
     where c.oid = ${view.oid}::int8::oid`
  if (state === undefined) return 'gone'
  const stands = {
    sql: `select concat_ws(' ', viewkeeper.shape(${shown.oid}), (select c.xmin from pg_class c where c.oid = ${view.oid}))`,
    is: `${state.shape} ${state.toucher}`,
  }
  const part = { by, columns: shown.columns }
  const because = state.because ?? state.due
  const compares = state.because === null && because !== null && exact.length > 0
  return {
    shown: shown.oid,
    words:
      because === null
        ? `computes slices of ${displayPart(by)} anew, those that changes have touched${state.wholeMs === null ? '' : `; all of them took ${duration(state.wholeMs)}`}`
        : `computes all slices of ${displayPart(by)} anew: ${because}`,
    log: {
      mark: {
        by,
        shape: state.shape,
        ...(state.wholeMs !== null && { wholeMs: state.wholeMs }),
        wholeAt: because === null ? state.wholeAt! : state.now,
      },
      basis: (other) =>
        other && {
          sql: `select concat((${other.sql}), ' ', (${stands.sql}))`,
          is: `${other.is} ${stands.is}`,
        },
    },
    around: aroundOf(view, shown, (rebuild, members) => {
      const sliced =
        because === null
          ? fillBySlices(rebuild, { ...members, rows: rowsTouched(part, view) })
          : { before: [], after: [] }
      // What was committed when this is asked, the statement that fills sees, too; what comes later stays in the log for the next refresh.
      const look: Statement = {
        kind: 'command',
        phase: 'building',
        sql: `select set_config('viewkeeper.log_read', pg_current_snapshot()::text, true)`,
        hidden: true,
      }
      const forget: Statement = {
        phase: 'building',
        sql: `delete from ${quoteName(logOf(view))} where ${wasRead}`,
        ...ownersSandboxed(members.view.live),
      }
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
      const count = countTouched(part, view, because !== null)
      const compare = compareUntouched(part, view, exact)
      const query = (shadow: string) =>
        compares ? `select (${count(shadow)}) || (${compare(shadow)})` : count(shadow)
      return countingSlices(rebuild, members.view, query, {
        before: [look, ...sliced.before],
        after: [...sliced.after, forget, check],
        record: compares ? [noteWrong(state.logOid)] : [],
      })
    }),
  }
}
