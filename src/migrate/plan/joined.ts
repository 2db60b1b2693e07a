import { fileNameOf, type QualifiedName, quoteName } from '../../sql/names.ts'
import { reached } from '../../sql/walks.ts'
import { ofParts } from './frozen.ts'
import type { NewMigration } from './new-migration.ts'

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
export function joined(migrations: NewMigration[], { reads, isAsked }: Joining): NewMigration[] {
  const readsOf = (view: string) => reads.get(view) ?? []
  const above = new Map(migrations.map(({ view }) => [view, reached(readsOf(quoteName(view)), readsOf)]))
  const readsOther = (a: NewMigration, b: NewMigration) => above.get(a.view)?.has(quoteName(b.view)) ?? false
  const isChange = ({ up, down, changed }: NewMigration) =>
    up.change.does === 'define' && down.change.does === 'define' && changed.includes('query')
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
    const stands = others.some((other) => isRead(other) && group.some((each) => readsOther(other, each)))
    if (group.length === 1 || stands) continue
    const at = rest.indexOf(first)
    const isReader = (other: NewMigration) => group.some((each) => readsOther(other, each))
    const order = rest
    const isBefore = (other: NewMigration) => isRead(other) || (order.indexOf(other) < at && !isReader(other))
    rest = [
      ...others.filter(isBefore),
      asOne(rest.filter((each) => group.includes(each))),
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
