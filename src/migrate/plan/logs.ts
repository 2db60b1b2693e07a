import { type ChangeLog, functionsOf, logOf, statementsOfLog } from '../../slices/plan/log.ts'
import { displayName, displayPart, literal, quoteName } from '../../sql/names.ts'
import type { FrozenMigration } from './frozen.ts'

/** A log of changes as own SQL: the text that makes it, and the one that drops it; null: somebody has deleted that file. */
export interface FrozenLog {
  make: string
  drop: string | null
}

const made = '-- The log of changes of '
const dropped = '-- No log of changes of '

/** The SQL of a log. Only its owner may put triggers on a table so that they always fire. Pure. */
export function frozenLog(log: ChangeLog): { make: string; drop: string } {
  const { view } = log
  const name = displayName(view)
  const owner = asOwnerOf(relation(quoteName(view)))
  const { table, triggers, end } = statementsOfLog(log)
  const text = (first: string, statements: string[]) =>
    `${first}\n${[`set local lock_timeout = '5s'`, ...statements].map((sql) => `${sql};\n`).join('')}`
  return {
    make: text(
      `${made}${name}\n-- Its refreshes compute only the slices of ${displayPart(log.by)} that this tells. The triggers wait for the writers of each table.`,
      [
        ...owner,
        ...table,
        ...triggers.flatMap(({ on, statements }) =>
          on.isAlone
            ? [...asOwnerOf(relation(on.name)), ...statements(on.name)]
            : [onEach(on.name, statements)],
        ),
        ...owner,
        ...end,
      ],
    ),
    drop: text(`${dropped}${name}`, [
      ...asOwnerOf(`pg_catalog.to_regclass(${literal(quoteName(logOf(view)))})::pg_catalog.oid`),
      ...functionsOf(log).map(
        (each) => `drop function if exists ${quoteName({ ...view, name: each.name })}() cascade`,
      ),
      `drop table if exists ${quoteName(logOf(view))}`,
    ]),
  }
}

const asOwnerOf = (oid: string): string[] => [
  'reset role',
  `select pg_catalog.set_config('role', pg_catalog.pg_get_userbyid(c.relowner), true) from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) ${oid}`,
]

/** The OID of a relation, whatever operators and casts somebody has made on the path of the login. */
const relation = (name: string): string => `${literal(name)}::pg_catalog.regclass::pg_catalog.oid`

/** The triggers of a table and of all its partitions, which another database may have others of. */
function onEach(table: string, statements: (relation: string) => string[]): string {
  const mark = '\0'
  const each = statements(mark).map(
    (sql) =>
      `    execute pg_catalog.format(${literal(sql.replaceAll('%', '%%').replace(mark, '%s'))}, part.relation);\n`,
  )
  return `do ${literal(`
declare part record;
begin
  for part in
    with recursive parts(oid) as (
      select ${relation(table)} union select i.inhrelid from parts p join pg_catalog.pg_inherits i on i.inhparent operator(pg_catalog.=) p.oid)
    select c.oid::pg_catalog.regclass as relation, pg_catalog.pg_get_userbyid(c.relowner) as owner from parts p join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) p.oid
  loop
    perform pg_catalog.set_config('role', 'none', true);
    perform pg_catalog.set_config('role', part.owner, true);
${each.join('')}  end loop;
end`)}`
}

/** The logs that these migrations leave behind, by the names of their views for people. Pure. */
export function frozenLogs(migrations: FrozenMigration[]): Map<string, FrozenLog> {
  const logs = new Map<string, FrozenLog>()
  for (const { up, down } of migrations) {
    if (up.change.does !== 'sql') continue
    const [first = ''] = up.text.split('\n', 1)
    if (first.startsWith(made))
      logs.set(first.slice(made.length), { make: up.text, drop: down?.text ?? null })
    if (first.startsWith(dropped)) logs.delete(first.slice(dropped.length))
  }
  return logs
}
