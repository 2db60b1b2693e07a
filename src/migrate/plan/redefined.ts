import type { LiveView, Reader, ViewKind } from '../../catalog/plan/live-view.ts'
import type { MadeView } from '../../rebuild/plan/create.ts'
import { pathOverShadows, requalify, viewsNamedIn } from '../../rebuild/plan/requalify.ts'
import { type Member, onShadows, type Rebuild, shadowName } from '../../rebuild/plan/scope.ts'
import { quoteName } from '../../sql/names.ts'
import { viewArgument } from '../../words/commands.ts'
import { displayName, type QualifiedName, unquoted } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

/** A view of a group that gets another definition. */
export interface Redefined {
  before: MadeView | null
  after: MadeView
  /** The view with its next owner. */
  given: LiveView
}

/** A reader that does not fit the changed views. */
export interface Misfit {
  reader: QualifiedName & { kind: ViewKind }
  /** In words that follow the reader's name. */
  because: string
}

/** What a view reads after the change: a new query is known only by the names in it. */
export const readsAfter = (reader: Reader, readers: Reader[], changes: Map<number, Redefined>): number[] => {
  const change = changes.get(reader.oid)
  if (change === undefined) return reader.reads
  const named = viewsNamedIn(
    change.after.sql,
    readers.map(({ oid, live }) => ({ ...live.view, oid })),
  )
  return named.map(({ oid }) => oid).filter((oid) => oid !== reader.oid)
}

/** Refuses (MigrationFailed) queries that would read each other. `members` come after those that they read, if they can. */
export function insistOnNoCircle(members: Member[], readsOf: (member: Member) => number[]): void {
  for (const [at, member] of members.entries()) {
    const later = members.slice(at + 1).find(({ oid }) => readsOf(member).includes(oid))
    if (later === undefined) continue
    const [one, other] = [member, later].map(({ live }) => displayName(live.view))
    throw new Problem(
      'MigrationFailed',
      `${one} and ${other} would read each other, directly or through other views. Change one of the queries.`,
    )
  }
}

/** The refusal of readers that do not fit the changed views, with what to do. */
export function unfit(changed: QualifiedName[], misfits: Misfit[]): Problem {
  const said = misfits.map(
    ({ reader, because }) =>
      `${reader.kind === 'view' ? 'plain view ' : ''}${displayName(reader)} ${because}`,
  )
  const ofKind = (kind: ViewKind): QualifiedName[] =>
    misfits.flatMap(({ reader }) => (reader.kind === kind ? [reader] : []))
  const [views, plain] = [ofKind('materialized view'), ofKind('view')]
  const all = [...changed, ...views].map((view) => viewArgument(view))
  return new Problem(
    'SwapImpossible',
    [
      `${said.join('; ')}.`,
      ...(views.length === 0
        ? []
        : [
            `Change ${views.map(displayName).join(', ')} in the same migration: npx viewkeeper freeze ${all.join(' ')} -m "why"`,
          ]),
      ...(plain.length === 0
        ? []
        : [
            `Drop plain ${plain.length === 1 ? 'view' : 'views'} ${plain.map(displayName).join(', ')} by own SQL in an earlier migration, ` +
              `and make ${plain.length === 1 ? 'it' : 'them'} again in a later one.`,
          ]),
    ].join(' '),
  )
}

type ColumnPair = LiveView['columns'][number]

/** A view with the columns that its empty shadow has; null if their types are the same. */
export function withColumnsOf(live: LiveView, { columns }: LiveView): LiveView | null {
  const isSame = ({ type }: ColumnPair, at: number) => type === live.columns[at]?.type
  if (columns.every(isSame)) return null
  const comments = new Map(live.columns.map(({ name, comment }) => [name, comment]))
  return {
    ...live,
    columns: columns.map((column, at) =>
      isSame(column, at)
        ? (live.columns[at] as ColumnPair)
        : { ...column, comment: comments.get(column.name) ?? null },
    ),
  }
}

/** A changed definition, and the search path of its query, as that finds shadows. */
export function authoredShadow(
  rebuild: Rebuild,
  { after, given }: Redefined,
): { definition: MadeView; onPath: (path: string) => string } {
  const { scope, place } = rebuild
  const schemas = new Set(scope.members.map(({ live }) => live.view.schema))
  const shadowsOf = (schema: string) => (schemas.has(schema) ? place.shadows(schema) : undefined)
  return {
    definition: { ...after, schema: place.shadows(after.schema), sql: onShadows(rebuild)(after.sql) },
    onPath: (path) => pathOverShadows(path, shadowsOf, unquoted(given.view.owner)),
  }
}

/** The live view that a shadow stands for. All its SQL names the views. */
export function shadowAsView(rebuild: Rebuild, { given }: Redefined, shadow: LiveView): LiveView {
  const back = new Map(
    rebuild.scope.members.map((member) => [quoteName(shadowName(rebuild, member)), member.live.view.schema]),
  )
  return {
    ...shadow,
    view: {
      ...given.view,
      kind: shadow.view.kind,
      definition: requalify(shadow.view.definition, back),
      ...(shadow.view.meaning !== undefined && { meaning: shadow.view.meaning }),
    },
    indexes: shadow.indexes.map((index) => ({ ...index, rest: requalify(index.rest, back) })),
  }
}

/** A message of the server that names the views instead of their shadows. */
export const inPublic = (message: string, { scope, place }: Rebuild): string =>
  scope.members.reduce(
    (text, { live: { view } }) => text.replaceAll(place.shadows(view.schema), view.schema),
    message,
  )
