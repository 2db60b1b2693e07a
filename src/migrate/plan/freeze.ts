import { type Definition, definitionDefaults } from '../../catalog/plan/definition.ts'
import type { Difference } from '../../catalog/plan/differences.ts'
import { quoteName } from '../../sql/names.ts'
import { fileNameOf } from '../../sql/new-names.ts'
import { reached } from '../../sql/walks.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import {
  definitionsOf,
  type FrozenChange,
  type FrozenFile,
  frozenState,
  ofParts,
  ofTable,
  viewAfter,
  viewChangesOf,
} from './frozen.ts'

/** A migration that is not written yet. */
export interface NewMigration {
  /** The words of its file's name. */
  words: string
  view: QualifiedName
  /** The fields that changed; empty for a view that is new. */
  changed: string[]
  /** The other views that change together with this one. */
  others?: { view: QualifiedName; changed: string[] }[]
  up: FrozenFile
  down: FrozenFile
}

/** What is to be frozen. */
export interface FreezeRequest {
  /** Every authored definition, each after the definitions that it reads. */
  authored: Definition[]
  /** What is frozen already, in order. */
  migrations: { up: FrozenFile }[]
  why: string
  /** Only these views are frozen; null: all views. */
  only: QualifiedName[] | null
  renames: { from: QualifiedName; to: QualifiedName }[]
  /** In an order in which the views can be dropped. */
  removes: QualifiedName[]
  /** Quoted names of views to remove before others are changed: a view that is read cannot get another query. */
  removesFirst?: ReadonlySet<string>
  /** New definitions adopt views that exist already: the down file releases such a view instead of dropping it. */
  adopts?: boolean
  /** A query without comments and with uniform white space. */
  canonical: (sql: string) => string
  /** Which views each view reads, or read before; all names quoted. Default: unknown. */
  reads?: ReadonlyMap<string, string[]>
}

/**
 * Plans the migrations from the frozen definitions to the authored ones, each with its way back: first renamed views, then
 * `removesFirst`, then new and changed views, then the other removed ones. Empty if nothing has changed. Changed queries go
 * into one migration if the views read each other, or if `only` names the views. Pure.
 */
export function planFreeze(request: FreezeRequest): NewMigration[] {
  const { authored, migrations, why, only, renames, removes, removesFirst, adopts, canonical } = request
  const state = frozenState(migrations)
  const chosen = only && new Set(only.map(quoteName))
  const made = (
    { schema, name }: QualifiedName,
    up: FrozenChange,
    down: FrozenChange,
    changed: string[] = [],
  ): NewMigration => ({
    words: `${up.does === 'drop' ? 'remove_' : ''}${fileNameOf(name)}`,
    view: { schema, name },
    changed,
    up: { change: up, why },
    down: { change: down, why },
  })
  const renamed = renames.map(({ from, to }) => {
    const definition = state.get(quoteName(from))
    state.delete(quoteName(from))
    if (definition) state.set(quoteName(to), { ...definition, ...to })
    const of = ofTable(definition)
    const back: FrozenChange = { does: 'rename', view: to, to: from, ...of }
    return made(to, { does: 'rename', view: from, to, ...of }, back, ['name'])
  })
  const defined = authored.flatMap((definition): NewMigration[] => {
    const { schema, name } = definition
    if (chosen && !chosen.has(quoteName(definition))) return []
    const before = state.get(quoteName(definition))
    const changed = before ? changedFields(before, definition, canonical) : []
    if (before && changed.length === 0) return []
    const back: FrozenChange = before
      ? { does: 'define', definition: before }
      : adopts
        ? { does: 'release', view: { schema, name } }
        : { does: 'drop', view: { schema, name }, ...ofTable(definition) }
    return [made(definition, { does: 'define', definition }, back, changed)]
  })
  const removed = removes.flatMap((view): NewMigration[] => {
    const definition = state.get(quoteName(view))
    return definition
      ? [made(view, { does: 'drop', view, ...ofTable(definition) }, { does: 'define', definition })]
      : []
  })
  const isEarly = ({ view }: NewMigration) => removesFirst?.has(quoteName(view)) ?? false
  return [
    ...renamed,
    ...removed.filter(isEarly),
    ...joined(defined, { reads: request.reads ?? new Map(), isAsked: only !== null }),
    ...removed.filter((each) => !isEarly(each)),
  ]
}

/** The fields in which two definitions differ, in the author's words. */
function changedFields(
  before: Definition,
  after: Definition,
  canonical: (sql: string) => string = (sql) => sql,
): string[] {
  const fields = Object.keys(definitionDefaults) as (keyof typeof definitionDefaults)[]
  return [
    ...(canonical(before.sql) === canonical(after.sql) ? [] : ['query']),
    ...fields.filter((field) => stable(before[field]) !== stable(after[field])),
  ]
}

/** JSON with sorted keys. */
const stable = (value: unknown): string =>
  JSON.stringify(value, (_, held) =>
    held !== null && typeof held === 'object' && !Array.isArray(held)
      ? Object.fromEntries(Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1)))
      : held,
  )

/** Frozen views that have no authored definition any more, and that the request neither renames nor removes. */
export const unaccounted = ({
  authored,
  migrations,
  renames,
  removes,
}: Pick<FreezeRequest, 'authored' | 'migrations' | 'renames' | 'removes'>): Definition[] => {
  const known = new Set([...authored, ...renames.map(({ from }) => from), ...removes].map(quoteName))
  return [...frozenState(migrations).values()].filter((definition) => !known.has(quoteName(definition)))
}

/** The differences between the authored definitions and the frozen ones. Pure. */
export function authoredDifferences(
  authored: Definition[],
  migrations: { up: FrozenFile; name: string }[],
  canonical: (sql: string) => string,
): Difference[] {
  const frozen = frozenState(migrations)
  const frozenIn = (view: string) => migrations.findLast(({ up }) => resultsOf(up).includes(view))?.name
  return [
    ...authored.flatMap((definition): Difference[] => {
      const view = displayName(definition)
      const before = frozen.get(quoteName(definition))
      if (before === undefined) return [{ view, kind: 'unfrozen', message: 'it was never frozen' }]
      const changed = changedFields(before, definition, canonical)
      return changed.length === 0
        ? []
        : [
            {
              view,
              kind: 'unfrozen',
              message: `${changed.join(', ')} changed since ${frozenIn(view) ?? 'it was frozen'}`,
            },
          ]
    }),
    ...unaccounted({ authored, migrations, renames: [], removes: [] }).map((definition): Difference => {
      const view = displayName(definition)
      return {
        view,
        kind: 'unauthored',
        message: `frozen in ${frozenIn(view) ?? 'migrations/'}, but no file of views/ defines it`,
      }
    }),
  ]
}

/**
 * What the catalog does not show of the migrations that a database lacks: changed fields of a definition, such as its
 * schedule. Pure.
 */
export const unappliedDifferences = (
  migrations: { up: FrozenFile; name: string }[],
  pending: string[],
): Difference[] =>
  migrations.flatMap(({ name, up }, at): Difference[] => {
    if (!pending.includes(name)) return []
    return viewChangesOf(up.change).flatMap((change): Difference[] => {
      if (change.does !== 'define') return []
      const { definition } = change
      const before = frozenState(migrations.slice(0, at)).get(quoteName(definition))
      const changed = before ? changedFields(before, definition).filter((field) => !inCatalog.has(field)) : []
      const message = `${changed.join(', ')} changed in ${name}, which is not applied to this database`
      return changed.length === 0 ? [] : [{ view: displayName(definition), kind: 'unapplied', message }]
    })
  })

/** The fields that the catalog shows. */
const inCatalog = new Set(['query', 'owner', 'indexes', 'comment', 'grants'])

/** The names of the views that a migration leaves behind. */
const resultsOf = (file: FrozenFile): string[] =>
  viewChangesOf(file.change)
    .filter(({ does }) => does === 'define' || does === 'rename')
    .map((change) => displayName(viewAfter(change)))

interface Joining {
  /** Which views each view reads; all names quoted. */
  reads: ReadonlyMap<string, string[]>
  /** Whether the author has named the views, so that all of them change together. */
  isAsked: boolean
}

/**
 * Joins the migrations of changed queries that belong together: those of views that read each other, directly or through
 * other views, or all that the author has named. A migration that has to come in between keeps them apart. Pure.
 */
function joined(migrations: NewMigration[], { reads, isAsked }: Joining): NewMigration[] {
  const readsOf = (view: string) => reads.get(view) ?? []
  const above = new Map(migrations.map(({ view }) => [view, reached(readsOf(quoteName(view)), readsOf)]))
  const readsOther = (a: NewMigration, b: NewMigration) => above.get(a.view)?.has(quoteName(b.view)) ?? false
  const isChange = ({ up, down, changed }: NewMigration) =>
    up.change.does === 'define' &&
    down.change.does === 'define' &&
    (isAsked || ![up, down].some(({ change }) => definitionsOf(change)[0]?.storage === 'table')) &&
    changed.includes('query')
  let rest = migrations
  for (const first of migrations.filter(isChange)) {
    if (!rest.includes(first)) continue
    const changes = rest.filter(isChange)
    const group = [
      ...reached([first], (each) =>
        changes.filter((other) => isAsked || readsOther(each, other) || readsOther(other, each)),
      ),
    ]
    const others = rest.filter((each) => !group.includes(each))
    const isRead = (other: NewMigration) => group.some((each) => readsOther(each, other))
    const isReader = (other: NewMigration) => group.some((each) => readsOther(other, each))
    if (group.length === 1 || others.some((other) => isRead(other) && isReader(other))) continue
    const order = rest
    const at = order.indexOf(first)
    const isBefore = (other: NewMigration) => isRead(other) || (order.indexOf(other) < at && !isReader(other))
    rest = [
      ...others.filter(isBefore),
      asOne(order.filter((each) => group.includes(each))),
      ...others.filter((other) => !isBefore(other)),
    ]
  }
  return rest
}

/** One migration of several, in their order. */
function asOne(migrations: NewMigration[]): NewMigration {
  const [first, ...others] = migrations as [NewMigration, ...NewMigration[]]
  const change = (way: 'up' | 'down') => ofParts(migrations.map((each) => each[way].change))
  return {
    ...first,
    words: wordsOf(migrations.map(({ view }) => view)),
    others: others.map(({ view, changed }) => ({ view, changed })),
    up: { ...first.up, change: change('up') },
    down: { ...first.down, change: change('down') },
  }
}

const mostNames = 3
/** A file's name has at most 255 characters, with its number and ending. */
const mostLetters = 210

function wordsOf(views: QualifiedName[]): string {
  const names = views.slice(0, mostNames).map(({ name }) => fileNameOf(name))
  while (names.join('_').length > mostLetters) names.pop()
  return [...names, ...(views.length > names.length ? [`and_${views.length - names.length}_more`] : [])].join(
    '_',
  )
}
