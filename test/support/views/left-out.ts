import { expect } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { age } from '../record/past.ts'
import { callOn } from '../servers/database.ts'

/** Refreshes views of a schema as people and as schedules do, on a server that leaves out what counters prove. */
export function leftOut(schema: string, on: () => { sql: Sql; saving: Database }) {
  /** As if the view had been refreshed some time ago: only then can the counters prove anything. */
  const longAgo = (name: string, ago = '1 hour') => age(on().sql, ago, name)
  return {
    longAgo,
    async scheduled(
      name: string,
      { by = on().saving, ...more }: { by?: Database; force?: boolean; strategy?: 'auto' } = {},
    ) {
      const call = callOn(by, { trigger: 'schedule', requestedBy: 'schedule' })
      return (await refresh({ view: `${schema}.${name}`, strategy: 'regular', ...more }, call)).status
    },
    async filled(...names: string[]) {
      for (const name of names) {
        const { status } = await refresh(
          { view: `${schema}.${name}`, strategy: 'regular' },
          callOn(on().saving),
        )
        expect(status).toBe('updated')
        await longAgo(name)
      }
    },
  }
}
