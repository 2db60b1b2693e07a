import { expect } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import type { Database } from '../../../src/server/database.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import type { useDatabase } from '../../support/servers/database.ts'
import { type FrozenFolder, migrateCall, useFolders } from '../../support/views/frozen.ts'

/** What happens to frozen definitions on a database: freezing, applying and undoing them, and comparing views with them. */
export function useFrozenLife({ database, sql }: ReturnType<typeof useDatabase>) {
  const folder = useFolders()
  let folders = 0

  const up = async (frozen: FrozenFolder, on: Database = database) =>
    (await migrateUp(migrateCall(on), await frozen.read())).applied.map(({ does }) => does)

  return {
    folder,
    up,

    down: async (frozen: FrozenFolder, on: Database = database) =>
      (await migrateDown(migrateCall(on), await frozen.read(), 1)).undone.map(({ does }) => does),

    /** Freezes definitions, and applies them. */
    async applied(...authored: Definition[]): Promise<FrozenFolder> {
      const frozen = await folder(`life ${++folders}`)
      await frozen.freeze(authored)
      await up(frozen)
      return frozen
    },

    /** Freezes definitions, and tries them on the database: nothing of it stays. */
    async freezeOn(frozen: FrozenFolder, authored: Definition[], more = {}) {
      const before = await wholeCatalog(sql)
      try {
        return await frozen.freezeOn(database, authored, more)
      } finally {
        expect(await wholeCatalog(sql)).toEqual(before)
      }
    },

    differences: async (view: Definition) =>
      (await readDrift(database, [view])).filter(({ kind }) => kind !== 'unmanaged'),
  }
}
