import { findView } from '../catalog/db/catalog.ts'
import { readOwner } from '../catalog/db/owner.ts'
import type { Definition } from '../catalog/plan/definition.ts'

import { requalify } from '../rebuild/plan/requalify.ts'
import { qualify } from '../record/definitions/look.ts'
import type { Sql } from '../server/database.ts'
import { queryViewOf, quoteName } from '../sql/names.ts'
import { areFree, makePlaceholders, type Placeholders } from '../trial/db/copies.ts'
import type { QualifiedName } from '../words/names.ts'
import { readAllReaders } from './db/trial.ts'
import {
  definitionsOf,
  type FrozenChange,
  type FrozenMigration,
  type FrozenText,
  viewAfter,
  viewBefore,
  viewChangesOf,
} from './plan/frozen.ts'

/** Migrations that change placeholders of the views. */
interface Moved extends Placeholders {
  pending: FrozenMigration[]
  fresh: FrozenMigration[]
}

/**
 * Makes placeholders of the views that migrations change, and of all that reads them, and has the migrations change these. Null
 * if placeholders would not tell what the views do. Throws LockTimeout if somebody holds an exclusive lock on a view.
 */
export async function moveToPlaceholders(
  sql: Sql,
  pending: FrozenMigration[],
  fresh: FrozenMigration[],
): Promise<Moved | null> {
  const changes = [
    ...pending.map(({ up }) => up.change),
    ...fresh.flatMap(({ up, down }) => [up.change, (down as FrozenText).change]),
  ]
  if (changes.some(({ does }) => does === 'sql')) return null
  const named = changes.flatMap(viewChangesOf).flatMap((change) => [viewBefore(change), viewAfter(change)])
  const oids: number[] = []
  for (const view of new Map(named.map((each) => [quoteName(each), each])).values()) {
    const found = await findView(sql, view)
    if (found === undefined) continue
    // An incremental table has no placeholder.
    if (found.query !== null) return null
    oids.push(found.oid)
  }
  if (oids.length === 0) return null
  const readers = await readAllReaders(sql, oids)
  const definitions = changes.flatMap(definitionsOf)
  const heirs: string[] = []
  for (const { owner } of definitions) if (owner !== null) heirs.push(await readOwner(sql, owner))
  const read = readers.map(({ live: { view } }): QualifiedName => ({ schema: view.schema, name: view.name }))
  const moved = new Set(read.map(quoteName))
  const renamed: QualifiedName[] = []
  for (const change of changes) {
    if (change.does !== 'rename') continue
    const both = [change.view, change.to]
    const added = both.filter((view) => !moved.has(quoteName(view)))
    if (added.length === both.length) continue
    if (change.view.schema !== change.to.schema) return null
    for (const view of added) moved.add(quoteName(view))
    renamed.push(...added)
  }
  const ofMoved = definitions.filter((each) => moved.has(quoteName(each)))
  const wanted = [
    ...renamed,
    ...ofMoved.flatMap(({ schema, indexes }) => indexes.map(({ name }) => ({ schema, name }))),
    ...ofMoved.filter(({ storage }) => storage === 'table').map(queryViewOf),
  ]
  const placeholders = (await areFree(sql, wanted, readers))
    ? await makePlaceholders(sql, readers, [...new Set(heirs)])
    : null
  if (placeholders === null) return null
  const all = [...read, ...renamed]
  const schemaOf = (view: QualifiedName) => placeholders.schemas.get(view.schema) as string
  const found = await qualify(
    sql,
    read.map(({ name }) => ({ schema: null, name })),
  )
  const bare = new Map(
    read.flatMap((view, at) => (found[at]?.schema === view.schema ? [[view.name, schemaOf(view)]] : [])),
  )
  const move = movingTo(new Map(all.map((view) => [quoteName(view), schemaOf(view)])), bare)
  return { ...placeholders, pending: pending.map(move), fresh: fresh.map(move) }
}

/** Has migrations name placeholders. Their texts stay, because only the changes are tried. */
function movingTo(
  moved: Map<string, string>,
  bare: Map<string, string>,
): (migration: FrozenMigration) => FrozenMigration {
  const view = <V extends QualifiedName>(name: V): V => ({
    ...name,
    schema: moved.get(quoteName(name)) ?? name.schema,
  })
  const define = (definition: Definition): Definition => ({
    ...view(definition),
    sql: requalify(definition.sql, moved, bare),
  })
  const move = (change: FrozenChange): FrozenChange => {
    switch (change.does) {
      case 'define':
        return { ...change, definition: define(change.definition) }
      case 'together':
        return { ...change, definitions: change.definitions.map(define) }
      case 'rename':
        return { ...change, view: view(change.view), to: view(change.to) }
      case 'sql':
        return change
      default:
        return { ...change, view: view(change.view) }
    }
  }
  const text = (file: FrozenText): FrozenText => ({ ...file, change: move(file.change) })
  return (migration) => ({
    ...migration,
    up: text(migration.up),
    down: migration.down && text(migration.down),
  })
}
