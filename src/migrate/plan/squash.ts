import type { Definition } from '../../catalog/plan/definition.ts'
import { inDependencyOrder } from '../../catalog/plan/graph.ts'
import { Problem } from '../../problem.ts'
import { fileNameOf } from '../../sql/file-names.ts'
import { quoteName } from '../../sql/names.ts'
import { type FrozenFile, type FrozenMigration, viewAfter, viewBefore, viewChangesOf } from './frozen.ts'
import { numbered, squashedHistory } from './order.ts'

/** The newest state of a view. */
export interface SquashedView {
  /** The frozen definition, with a query that today's tables accept. */
  definition: Definition
  /** The views that it reads, by quoted name. */
  reads: string[]
}

export interface SquashRequest {
  migrations: FrozenMigration[]
  /** The views that the migrations leave. */
  views: SquashedView[]
  /** Names of own SQL that a new database does not need. */
  without: string[]
  why: string
}

/** A migration of a squashed history that is not written yet. */
export interface SquashedMigration {
  /** The words of its file's name. */
  words: string
  up: FrozenFile
  down: FrozenFile | null
  /** The name of the own SQL that it was; null for a view. */
  was: string | null
}

/**
 * Plans the migrations that replace a folder's: one for each view, own SQL as it is, and at the end the squash, which
 * names all that is replaced. Own SQL keeps its order. A view comes after the own SQL that came before its last change,
 * and before later own SQL that names the view. Pure.
 */
export function planSquash({ migrations, views, without, why }: SquashRequest): SquashedMigration[] {
  const own = migrations.filter(({ up }) => up.change.does === 'sql')
  const unknown = without.find((name) => !own.some((each) => each.name === name))
  if (unknown !== undefined) {
    const message = `--without: migrations/ has no own SQL that is called ${unknown}.`
    throw new Problem('InvalidRequest', message, { field: '--without' })
  }
  const kept = own.filter(({ name }) => !without.includes(name))
  const planned = inOrder(viewParts(migrations, views, why), kept.map(ownPart))
  const last = migrations.at(-1)?.number ?? 0
  const change: FrozenFile['change'] = {
    does: 'squash',
    replaces: [...(squashedHistory(migrations)?.replaces ?? []), ...migrations].map(({ name, checksum }) => ({
      name,
      checksum,
    })),
    by: planned.map(({ words }, at) => `${numbered(last + at + 1)}_${words}`),
  }
  return [...planned, { words: 'squash', up: { change, why }, down: { change, why }, was: null }]
}

/** A migration of the new history, and its place in the old one. */
interface Part {
  key: string
  /** The number of its last change. */
  at: number
  migration: SquashedMigration
}

interface ViewPart extends Part {
  definition: Definition
  reads: string[]
  /** The number of its first migration. */
  since: number
}

interface OwnPart extends Part {
  /** The words of its SQL, in lower case. */
  words: Set<string>
}

const keyOf = (at: number, name: string): string => `${String(at).padStart(9, '0')} ${name}`

function viewParts(migrations: FrozenMigration[], views: SquashedView[], why: string): ViewPart[] {
  const pasts = pastsOf(migrations)
  return views.map(({ definition, reads }) => {
    const { schema, name } = definition
    const { since, at, back } = pasts.get(quoteName(definition)) as Past
    return {
      key: keyOf(at, quoteName(definition)),
      at,
      migration: {
        words: fileNameOf(name),
        up: { change: { does: 'define', definition }, why },
        down: { change: { does: back, view: { schema, name } }, why },
        was: null,
      },
      definition,
      reads,
      since,
    }
  })
}

const ownPart = ({ number, name, up, down }: FrozenMigration): OwnPart => ({
  key: keyOf(number, name),
  at: number,
  migration: { words: name.replace(/^\d+_/, ''), up, down, was: name },
  words: new Set(up.text.toLowerCase().split(/[^\w$]+/)),
})

interface Past {
  since: number
  at: number
  /** The way back of its first migration: `release` for a view that was adopted. */
  back: 'drop' | 'release'
}

/** The first and the last migration of each view, by quoted name. */
function pastsOf(migrations: FrozenMigration[]): Map<string, Past> {
  const pasts = new Map<string, Past>()
  for (const { number, up, down } of migrations) {
    for (const change of viewChangesOf(up.change)) {
      const before = quoteName(viewBefore(change))
      const { since = number, back = down?.change.does === 'release' ? 'release' : 'drop' } =
        pasts.get(before) ?? {}
      pasts.delete(before)
      if (change.does === 'define' || change.does === 'rename')
        pasts.set(quoteName(viewAfter(change)), { since, at: number, back })
    }
  }
  return pasts
}

/**
 * Sorts the parts by their dependencies, and by their places in the old history if that leaves a choice. Own SQL comes
 * before the views that changed after it, unless that would be a circle.
 */
function inOrder(views: ViewPart[], own: OwnPart[]): SquashedMigration[] {
  const keys = new Map(views.map(({ key, definition }) => [quoteName(definition), key]))
  const names = (part: OwnPart, { definition, since }: ViewPart) =>
    since < part.at && part.words.has(definition.name.toLowerCase())
  const needed = new Map(views.map(({ key, reads }) => [key, reads.flatMap((read) => keys.get(read) ?? [])]))
  for (const [at, part] of own.entries()) {
    const before = own.slice(0, at).slice(-1)
    needed.set(
      part.key,
      [...before, ...views.filter((view) => names(part, view))].map(({ key }) => key),
    )
  }
  const wished = new Map(needed)
  for (const view of views) {
    const earlier = own.filter((part) => part.at < view.at && !names(part, view)).map(({ key }) => key)
    wished.set(view.key, [...(needed.get(view.key) ?? []), ...earlier])
  }
  const migrations = new Map([...views, ...own].map(({ key, migration }) => [key, migration]))
  return (inDependencyOrderOf(wished) ?? inDependencyOrder(needed)).map(
    (key) => migrations.get(key) as SquashedMigration,
  )
}

/** Undefined if there is a circle. */
function inDependencyOrderOf(dependencies: Map<string, string[]>): string[] | undefined {
  try {
    return inDependencyOrder(dependencies)
  } catch (error) {
    if (error instanceof Problem && error.code === 'DependencyCycle') return undefined
    throw error
  }
}
