import { literal, type QualifiedName, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Shown } from './shown.ts'

/** The log of the changes of what a view reads: which of its slices they touch. */
export interface ChangeLog {
  view: QualifiedName
  /** The column of the view whose values are its slices, and its type as SQL writes it. */
  by: string
  type: string
  /** The plain view that the view shows as it is. */
  shown: Shown
  /** The other columns of the view of which a difference is a mistake; null: not even the number of rows tells one. See `exactColumns`. */
  exact: string[] | null
  /**
   * All tables that the view reads, each with what inherits from it; `isAlone`: nothing does, nor will partitions. `key`: its column that says which
   * slice a row touches; null: all.
   */
  tables: {
    name: string
    relations: { id: number; name: string }[]
    isAlone: boolean
    key: string | null
  }[]
}

/** The events that a log hears of, with the rows that their triggers see: `tgtype` of pg_trigger, without the level. */
const events = {
  insert: { rows: ['new'], type: 4 },
  update: { rows: ['old', 'new'], type: 16 },
  delete: { rows: ['old'], type: 8 },
  truncate: { rows: [], type: 32 },
} as const

/** The table of the log: a row for each slice that a statement has touched, or one for all of them. `at`: the transaction that wrote it. */
export const logOf = ({ schema, name }: QualifiedName): QualifiedName => ({ schema, name: `${name}_touched` })

/** The statements that make a log, all but `on` its tables as the owner of the view. */
export interface LogStatements {
  table: string[]
  triggers: { on: ChangeLog['tables'][number]; statements(relation: string): string[] }[]
  end: string[]
}

/**
 * The triggers write in the writer's transaction, with the rights of the view's owner; they only append, so no writer waits for another; and
 * they fire in every session, replication included.
 */
export const statementsOfLog = (log: ChangeLog): LogStatements => {
  const table = quoteName(logOf(log.view))
  const called = (name: string) => `${quoteName({ schema: log.view.schema, name })}()`
  const functions = functionsOf(log)
  return {
    table: [
      `create table ${table} (${quoteIdentifier(log.by)} ${log.type}, whole boolean not null default false, at pg_catalog.xid8 not null default pg_catalog.pg_current_xact_id())`,
      ...functions.map(
        ({ name, body }) =>
          `create function ${called(name)} returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as ${literal(body)}`,
      ),
    ],
    triggers: log.tables.map((on) => ({
      on,
      statements: (relation) =>
        triggersOn(log, on).flatMap(({ name, event, rows, calls }) => [
          `create trigger ${quoteIdentifier(name)} after ${event} on ${relation}${rows.length === 0 ? '' : ` referencing ${rows.map((each) => `${each} table as ${each}_rows`).join(' ')}`} for each statement execute function ${called(calls)}`,
          `alter table ${relation} enable always trigger ${quoteIdentifier(name)}`,
        ]),
    })),
    // Whoever makes a trigger may execute its function.
    end: functions.map(({ name }) => `revoke all on function ${called(name)} from public`),
  }
}

/** The statements that make a log, as one role that owns the tables, too. */
export const makeLog = (log: ChangeLog): string[] => {
  const { table, triggers, end } = statementsOfLog(log)
  const made = triggers.flatMap(({ on, statements }) => on.relations.flatMap(({ name }) => statements(name)))
  return [...table, ...made, ...end]
}

/** A trigger's function for each column by which a table says what it touches, and for those that touch everything. */
export const functionsOf = ({
  view,
  by,
  tables,
}: ChangeLog): { key: string | null; name: string; body: string }[] => {
  const log = quoteName(logOf(view))
  const all = `insert into ${log} (whole) values (true);`
  return [...new Set(tables.map(({ key }) => key))].map((key, at) => {
    const column = key === null ? '' : quoteIdentifier(key)
    const into = `insert into ${log} (${quoteIdentifier(by)}) select`
    const branches =
      key === null
        ? (['insert', 'update', 'delete'] as const).map((event) => {
            const [rows] = events[event].rows
            return [event, `if exists (select from ${rows}_rows) then ${all} end if;`]
          })
        : [
            ['insert', `${into} distinct n.${column} from new_rows n;`],
            ['update', `${into} o.${column} from old_rows o union select n.${column} from new_rows n;`],
            ['delete', `${into} distinct o.${column} from old_rows o;`],
          ]
    const tests = branches.map(([event, does]) => `tg_op = '${event?.toUpperCase()}' then\n    ${does}`)
    return {
      key,
      name: `${logOf(view).name}_${at}`,
      body: `\nbegin\n  if ${tests.join('\n  elsif ')}\n  else\n    ${all}\n  end if;\n  return null;\nend\n`,
    }
  })
}

/** The triggers of a log: four on each relation, because a write to a partition fires no trigger of its parent. */
export const triggersOf = (log: ChangeLog) =>
  log.tables.flatMap((table) =>
    table.relations.flatMap(({ id, name: relation }) =>
      triggersOn(log, table).map((trigger) => ({ ...trigger, relation, id })),
    ),
  )

const triggersOn = (log: ChangeLog, { key }: ChangeLog['tables'][number]) => {
  const calls = functionsOf(log).find((each) => each.key === key)!.name
  return Object.entries(events).map(([event, { rows, type }]) => ({
    name: `${logOf(log.view).name}_${event}`,
    event,
    rows,
    type,
    calls,
  }))
}
