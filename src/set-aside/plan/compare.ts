import type { LiveView } from '../../catalog/plan/live-view.ts'
import { type AsideItem, describeItem } from './items.ts'

/**
 * What was lost on the way, in words; empty if nothing was. OIDs and the texts of queries are not compared: the server may
 * write a query in another way after it has read its own text. Types, the texts of indexes and what else reads the view are
 * compared only if the view has to be `exactly` the same.
 */
export function lost(before: AsideItem, after: AsideItem | undefined, exactly: boolean): string[] {
  if (after === undefined) return [`${describeItem(before)} is not there`]
  const parts = comparable(after, exactly)
  const differing = Object.entries(comparable(before, exactly)).filter(
    ([part, value]) => JSON.stringify(value) !== JSON.stringify(parts[part]),
  )
  return differing.map(([part]) => `the ${part} of ${describeItem(before)} are not as before`)
}

function comparable(item: AsideItem, exactly: boolean): Record<string, unknown> {
  if (item.kind !== 'view') {
    const { reads: _, below: __, ...facts } = item
    return { facts: item.kind === 'function' ? { ...facts, definition: null } : { ...facts, rest: null } }
  }
  const { view, columns, grants, dependents, triggers, rules, indexes, statistics } = item.live
  return {
    attributes: { ...view, definition: null },
    columns: columns.map((column) => ({ ...column, type: exactly ? column.type : null })),
    indexes: indexes.map((index) => ({ ...index, rest: exactly ? index.rest : null })),
    statistics: statistics.map((each) => ({ ...each, middle: null })),
    triggers: triggers.map((each) => ({ ...each, definition: null })),
    rules: rules.map((each) => ({ ...each, definition: null })),
    grants: grants.map((grant) => JSON.stringify(grant)).sort(),
    dependents: exactly ? namesOf(dependents) : null,
  }
}

const namesOf = (dependents: LiveView['dependents']): string[] =>
  [...new Set(dependents.map(({ description }) => description))].sort()
