import { expect, test } from 'vitest'
import type { FrozenMigration } from '../../../src/migrate/plan/frozen.ts'
import { frozenLogs } from '../../../src/migrate/plan/logs.ts'

/** A migration of own SQL, as it is read. */
const own = (up: string, down: string) =>
  ({ up: { change: { does: 'sql' }, text: up }, down: { text: down } }) as unknown as FrozenMigration

test.each(['change log', 'log of changes'])('a %s is known by the first line of its file', (called) => {
  const made = own(`-- The ${called} of app.daily\nmake;\n`, `-- No ${called} of app.daily\ndrop;\n`)
  const dropped = own(`-- No ${called} of app.daily\ndrop;\n`, '')
  expect([...frozenLogs([made])]).toEqual([['app.daily', { make: made.up.text, drop: made.down!.text }]])
  expect(frozenLogs([made, dropped]).size).toBe(0)
})
