import { inPlaceOf } from '../acting.ts'
import { literal, quoteIdentifier, quoteName } from '../names.ts'
import type { Statement } from '../plan.ts'
import { option, ownersSealed } from '../runs/rebuild.ts'
import type { LiveView } from '../views/live-view.ts'
import type { Reader } from '../views/readers.ts'
import { type Group, groupNames, type Places } from './group.ts'
import { about, onTwins } from './twins.ts'

/**
 * Gives a filled twin what was changed cheaply on its view since the twin was made from `old`: comments, options, targets of
 * statistics, defaults of columns. (Grants are copied by `copyGrantsOf`.) Whatever else has changed stays different, and
 * `areFaithful` finds it.
 */
export function replayCheap(group: Group, old: LiveView, { oid, live }: Reader, places: Places): Statement[] {
  const { view, columns, indexes, statistics } = live
  const names = groupNames(oid, live, places)
  const twin = quoteName(names.view)
  const alter = `alter ${view.kind} ${twin}`
  const differs = (a: unknown, b: unknown) => JSON.stringify(a) !== JSON.stringify(b)
  const options = (of: LiveView['view']) => [...of.options, ...of.toastOptions.map((each) => `toast.${each}`)]
  const set = (text: string, before: string[], after: string[]): (string | false)[] => [
    differs(before, after) && before.length > 0 && `${text} reset (${before.map(nameOf).join(', ')})`,
    differs(before, after) && after.length > 0 && `${text} set (${after.map(option).join(', ')})`,
  ]
  const ours = [
    ...set(alter, options(old.view), options(view)),
    differs(old.view.replicaIdentity, view.replicaIdentity) &&
      `alter table ${twin} replica identity ${view.replicaIdentity}`,
    differs(old.view.comment, view.comment) && `comment on ${view.kind} ${twin} is ${text(view.comment)}`,
    ...columns.flatMap((column, at) => {
      const before = old.columns[at]
      const name = quoteIdentifier(column.name)
      return [
        differs(before?.statistics, column.statistics) &&
          `${alter} alter column ${name} set statistics ${column.statistics ?? -1}`,
        ...set(`${alter} alter column ${name}`, before?.options ?? [], column.options),
        differs(before?.comment, column.comment) &&
          `comment on column ${twin}.${name} is ${text(column.comment)}`,
        differs(before?.default, column.default) &&
          column.default === null &&
          `${alter} alter column ${name} drop default`,
      ]
    }),
    ...indexes.flatMap((index, at) => {
      const name = quoteName({ schema: names.view.schema, name: names.index(at) })
      const before = new Map(old.indexes[at]?.statistics.map(({ column, target }) => [column, target]))
      const after = new Map(index.statistics.map(({ column, target }) => [column, target]))
      return [
        differs(old.indexes[at]?.comment, index.comment) &&
          `comment on index ${name} is ${text(index.comment)}`,
        ...[...new Set([...before.keys(), ...after.keys()])].map(
          (column) =>
            before.get(column) !== after.get(column) &&
            `alter index ${name} alter column ${column} set statistics ${after.get(column) ?? -1}`,
        ),
      ]
    }),
  ]
  const defaults = onTwins(group, live, places).columns.flatMap(
    ({ name, default: expression }, at): Statement[] =>
      expression === null || old.columns[at]?.default === columns[at]?.default
        ? []
        : [
            {
              phase: 'building',
              sql: `${alter} alter column ${quoteIdentifier(name)} set default ${expression}`,
              ...ownersSealed(live),
            },
          ],
  )
  const onStatistics = statistics.flatMap(({ schema, owner, target, comment }, at) => {
    const name = quoteName({ schema, name: names.statistics(at) })
    const before = old.statistics[at]
    return inPlaceOf(
      owner,
      statements([
        differs(before?.target, target) && `alter statistics ${name} set statistics ${target ?? -1}`,
        differs(before?.comment, comment) && `comment on statistics ${name} is ${text(comment)}`,
      ]),
    )
  })
  return about(live, [...inPlaceOf(view.owner, [...statements(ours), ...defaults]), ...onStatistics])
}

const text = (comment: string | null): string => (comment === null ? 'null' : literal(comment))

const nameOf = (text: string): string => text.replace(/=.*/s, '')

const statements = (all: (string | false)[]): Statement[] =>
  all.filter((sql) => sql !== false).map((sql) => ({ kind: 'command', phase: 'building', sql, hidden: true }))
