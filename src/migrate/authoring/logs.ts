import type { Definition } from '../../catalog/plan/definition.ts'
import { hintsQuery, isMember } from '../../catalog/plan/rights.ts'
import { readView } from '../../record/definitions/look.ts'
import type { Sql } from '../../server/database.ts'
import { readMissingRights } from '../../server/own-rights.ts'
import { runPlainSql } from '../../set-aside/db/own-sql.ts'
import type { ChangeLog } from '../../slices/plan/log.ts'
import { planLog, readLogged, whyNoLog } from '../../slices/slices.ts'
import { quoteName } from '../../sql/names.ts'
import { fileNameOf } from '../../sql/new-names.ts'
import { displayName } from '../../words/names.ts'
import { Problem, sentences } from '../../words/problem.ts'
import { type Fresh, toMigrations } from '../frozen-migrations.ts'
import type { NewMigration } from '../plan/freeze.ts'
import { type FrozenMigration, frozenState } from '../plan/frozen.ts'
import { type FrozenLog, frozenLog, frozenLogs } from '../plan/logs.ts'
import { whereApplied } from '../try-frozen.ts'

/** The definitions with slices whose log these migrations may change, or that the author has named. Pure. */
export function slicedAmong(
  migrations: FrozenMigration[],
  fresh: NewMigration[],
  isNamed: (view: Definition) => boolean,
): Definition[] {
  // A view that is renamed may be in two of them.
  const all = fresh.flatMap(({ view, changed, others = [] }) => [{ view, changed }, ...others])
  const mayChange = (sliced: Definition) =>
    all.some(
      ({ view, changed }) =>
        quoteName(view) === quoteName(sliced) &&
        (changed.length === 0 || changed.some((field) => touching.has(field))),
    )
  return [...frozenState(migrations).values()].filter(
    (view) => view.slices !== null && (mayChange(view) || isNamed(view)),
  )
}

const touching = new Set(['query', 'slices', 'name', 'owner', 'grants'])

/** Own SQL for change logs: what drops old ones comes before all other migrations, what makes new ones after them. */
export interface Logs {
  old: Fresh[]
  made: Fresh[]
}

/** The migrations that drop the logs of views that have no slices any more. Pure. */
export function withoutOldLogs(frozen: FrozenMigration[], all: FrozenMigration[]): Logs {
  const sliced = new Set(
    [...frozenState(all).values()].flatMap((view) => (view.slices === null ? [] : displayName(view))),
  )
  const old = [...frozenLogs(frozen)].filter(([view]) => !sliced.has(view))
  return { old: old.flatMap(([view, log]) => dropping(view, log)), made: [] }
}

/**
 * The migrations that drop the live views, with the logs that these read, of views that are dropped, and of views that get another query: it may have other
 * columns. Pure.
 */
export function withoutLiveViews(
  frozen: FrozenMigration[],
  fresh: NewMigration[],
): Record<'gone' | 'inTheWay', Fresh[]> {
  const logs = frozenLogs(frozen)
  const found = { gone: [] as Fresh[], inTheWay: [] as Fresh[] }
  const state = frozenState(frozen)
  for (const { view, changed, up, others = [] } of fresh)
    for (const each of [{ view, changed }, ...others]) {
      const log = logs.get(displayName(each.view))
      if (log === undefined || !state.get(quoteName(each.view))?.slices?.live) continue
      if (up.change.does === 'drop') found.gone.push(...dropping(displayName(each.view), log))
      else if (each.changed.includes('query') || each.changed.includes('storage'))
        found.inTheWay.push(...dropping(displayName(each.view), log))
    }
  return found
}

/**
 * Plans the logs of definitions where all migrations are applied, and tries them there; all of it is undone. A log is dropped and made
 * anew if another one was frozen, if no migration has made it, or if its view was named and nothing else is to be frozen. Refuses a view
 * that does not fall into its slices.
 */
export const planLogs = (
  sql: Sql,
  frozen: FrozenMigration[],
  fresh: FrozenMigration[],
  sliced: Definition[],
): Promise<Logs> =>
  whereApplied(sql, frozen, fresh, async (part) => {
    const known = frozenLogs(frozen)
    const { old, made } = withoutOldLogs(frozen, [...frozen, ...fresh])
    const logs = []
    for (const definition of sliced) {
      const name = displayName(definition)
      const view = await readView(part, definition)
      const log = await planLog(part, view, definition.slices?.by).catch(notWritten)
      const before = known.get(name)
      const { make, drop } = frozenLog(log, definition)
      // Of the text that is frozen, the database may have something else by now: a new partition has no triggers.
      const isHarmed = async () => typeof (await whyNoLog(part, log)) === 'string'
      if (make === before?.make && fresh.length > 0 && !(await isHarmed())) continue
      if (before !== undefined) old.push(...dropping(name, before))
      // A log that no migration has made: its tables may be other ones.
      else if ((await readLogged(part, definition)) !== null)
        old.push(...dropping(name, { make: drop, drop }))
      await insistOnActing(part, log)
      made.push({ words: wordsOf(name), up: ownSql(make), down: ownSql(drop) })
      logs.push(log)
    }
    for (const { up } of toMigrations([...old, ...made], frozen)) await runPlainSql(part, up, [], 'tried')
    for (const log of logs) {
      const because = await whyNoLog(part, log)
      if (because !== null)
        throw new Problem(
          'MigrationFailed',
          `${displayName(log.view)}: its change log would not be used: ${because}. Nothing was written.`,
        )
    }
    return { old, made }
  })

/** Refuses a log that our login cannot make, because it may not act as the owner of a table. */
async function insistOnActing(sql: Sql, { view, tables }: ChangeLog): Promise<void> {
  const ids = tables.flatMap(({ relations }) => relations.map(({ id }) => id))
  const missing = await readMissingRights(
    sql,
    hintsQuery([
      {
        from: `(select oid, relowner as owner from pg_class where oid = any ('{${ids}}'::oid[])) t`,
        because: `format('%s may not act as %s, the owner of %s', asked.role::regrole, t.owner::regrole, t.oid::regclass)`,
        membership: 't.owner',
        given: isMember('asked.role', 't.owner', 'acts'),
      },
    ]),
  )
  if (missing === null) return
  const belongs = `${displayName(view)}: its change log belongs to the owners of its tables. Nothing was written.`
  throw new Problem('InsufficientPrivilege', sentences(belongs, missing), { sqlstate: '42501' })
}

const ownSql = (sql: string): NewMigration['up'] => ({ change: { does: 'sql', sql }, why: null })

const wordsOf = (view: string): string => `${fileNameOf(view.split('.').at(-1) as string)}_touched`

const dropping = (view: string, { make, drop }: FrozenLog): Fresh[] =>
  drop === null ? [] : [{ words: `remove_${wordsOf(view)}`, up: ownSql(drop), down: ownSql(make) }]

const notWritten = (error: unknown): never => {
  if (!(error instanceof Problem)) throw error
  throw new Problem(error.code, `${error.message}. Nothing was written.`, {
    ...error.details,
    field: 'slices',
  })
}
