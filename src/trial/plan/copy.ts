import type { LiveView } from '../../catalog/plan/live-view.ts'
import { displayName } from '../../words/names.ts'

/** A view as the catalog has it, or a copy of it, with what it means. */
export interface ViewCopy {
  live: LiveView
  /** What an older version has set aside lacks this. */
  meaning?: Meaning
}

/** What a view means, with its indexes and statistics objects. */
export interface Meaning {
  /** The hash of the normal forms of their parse trees. */
  trees: string
  /** What they name, and a hash of what the trees take from that. */
  uses: { class: string; oid: number; column: number; name: string }[]
  state: string
}

/** As people name it: `view app.sales`. */
export const describeItem = ({ live: { view } }: ViewCopy): string => `${view.kind} ${displayName(view)}`

/**
 * What was lost on the way, in words; empty if nothing was. OIDs and texts are not compared. Types and what else reads the
 * view are compared only if the view has to be `exactly` the same; what it and the expressions of its indexes and statistics objects mean also
 * if it has to be `alike`.
 */
export function lost(
  before: ViewCopy,
  after: ViewCopy | undefined,
  { exactly, alike = exactly }: { exactly: boolean; alike?: boolean },
): string[] {
  if (after === undefined) return [`${describeItem(before)} is not there`]
  const parts = comparable(after, exactly, alike)
  const differing = Object.entries(comparable(before, exactly, alike)).filter(
    ([part, value]) => JSON.stringify(value) !== JSON.stringify(parts[part]),
  )
  return differing.map(([part]) => `the ${part} of ${describeItem(before)} are not as before`)
}

function comparable({ live, meaning }: ViewCopy, exactly: boolean, alike: boolean): Record<string, unknown> {
  const { view, columns, grants, dependents, triggers, indexes, statistics } = live
  return {
    attributes: { ...view, definition: null, path: null, meaning: null },
    'query and expressions': alike ? meaning?.trees : null,
    columns: columns.map((column) => ({ ...column, type: exactly ? column.type : null })),
    indexes: indexes.map((index) => ({
      ...index,
      rest: exactly && !index.hasExpressions ? index.rest : null,
    })),
    statistics: statistics.map((each) => ({ ...each, middle: null })),
    triggers: triggers.map((each) => ({ ...each, definition: null })),
    grants: grants.map((grant) => JSON.stringify(grant)).sort(),
    dependents: exactly ? namesOf(dependents) : null,
  }
}

const namesOf = (dependents: LiveView['dependents']): string[] =>
  [...new Set(dependents.map(({ description }) => description))].sort()
