import {
  type Definition,
  definitionDefaults,
  type GrantDefinition,
  type IndexDefinition,
  outsideClock,
} from '../catalog/plan/definition.ts'
import { quoteIdentifier } from '../sql/names.ts'
import type { GrantFields, IndexFields, ViewFields } from './view-schema.ts'

/** The whole definition, from fields that are sound. */
export function toDefinition(
  fields: ViewFields,
  parts: Pick<Definition, 'sql' | 'indexes' | 'grants' | 'settings' | 'checks'>,
): Definition {
  const { query: _, uniqueKey: __, dependsOn, onChange, ...own } = fields
  const { maxStalenessSeconds = own.targetLagSeconds ?? null } = own
  // An owner of the clock outside Viewkeeper also says what a refresh of everything means.
  const inAll = own.inAll ?? own.schedule !== outsideClock
  const skipUnchanged = onChange === true ? true : (own.skipUnchanged ?? null)
  return {
    ...definitionDefaults,
    ...own,
    inAll,
    skipUnchanged,
    maxStalenessSeconds,
    ...parts,
    dependsOn: [...new Set(dependsOn)],
  }
}

/** The unique index of a view's key. */
export const keyIndex = (view: string, uniqueKey: readonly string[]): IndexDefinition => ({
  name: objectName(view, null, 'key'),
  unique: true,
  on: columnList(uniqueKey),
})

/** An index in the words of `create index`. Without a name it gets the one that PostgreSQL would choose. */
export function toIndex(view: string, index: IndexFields): IndexDefinition {
  const { columns = [], include = [], using, where } = index
  const name = index.name ?? objectName(view, [...columns, ...include].join('_'), 'idx')
  const words = [
    ...(using === undefined ? [] : [`using ${using}`]),
    columnList(columns),
    ...(include.length === 0 ? [] : [`include ${columnList(include)}`]),
    ...(where === undefined ? [] : [`where ${where.trim()}`]),
  ]
  return { name, unique: index.unique ?? false, on: index.on?.trim() ?? words.join(' ') }
}

/** A grant with each privilege once. `all` replaces the others, because SQL accepts `all` only alone. */
export function toGrant({ privileges, ...grant }: GrantFields): GrantDefinition {
  return { ...grant, privileges: privileges.includes('all') ? ['all'] : [...new Set(privileges)] }
}

const columnList = (columns: readonly string[]): string => `(${columns.map(quoteIdentifier).join(', ')})`

const maxBytes = 63

/** Makes a name as PostgreSQL does: cuts the longer of the two parts until the whole fits. */
function objectName(view: string, middle: string | null, label: string): string {
  const available = maxBytes - label.length - (middle === null ? 1 : 2)
  let first = Buffer.byteLength(view)
  let second = Buffer.byteLength(middle ?? '')
  while (first + second > available) {
    if (first > second) first--
    else second--
  }
  const parts = middle === null ? [cut(view, first)] : [cut(view, first), cut(middle, second)]
  return [...parts, label].join('_')
}

/** The beginning of a text: as many whole letters as fit. */
function cut(text: string, bytes: number): string {
  let kept = ''
  for (const letter of text) {
    if (Buffer.byteLength(kept + letter) > bytes) break
    kept += letter
  }
  return kept
}
