import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { readFrozenDefinitions, scheduleName } from '../../../infra/schedules/schedules.ts'
import { definitionDefaults } from '../../../src/catalog/plan/definition.ts'
import { scheduledViews } from '../../../src/catalog/plan/scheduled.ts'
import { type FrozenChange, renderFrozen } from '../../../src/migrate/plan/frozen.ts'

const everyNight = { schedule: '0 2 * * *', timeZone: 'Europe/Berlin' }
const define = (name: string, more: object = {}): FrozenChange => ({
  does: 'define',
  definition: { ...definitionDefaults, name, sql: 'select 1 as one', ...more },
})

test('the views with a schedule are those that the migrations leave with one', () => {
  const folder = migrations(
    define('quiet'),
    define('sales', { schedule: '0 6 * * *', timeZone: 'Etc/UTC' }),
    define('gone', everyNight),
    define('old_name', { schema: 'reports', ...everyNight }),
    define('Odd.Name', everyNight),
    define('sales', everyNight),
    { does: 'drop', view: { schema: 'public', name: 'gone' } },
    {
      does: 'rename',
      view: { schema: 'reports', name: 'old_name' },
      to: { schema: 'reports', name: 'name' },
    },
  )
  expect(new Set(scheduledViews(readFrozenDefinitions(folder).definitions))).toEqual(
    new Set([
      { view: 'public.sales', ...everyNight },
      { view: 'public."Odd.Name"', ...everyNight },
      { view: 'reports.name', ...everyNight },
    ]),
  )
})

test('a folder that is not there has no views', () => {
  expect(readFrozenDefinitions(new URL('file:///no/such/folder/'))).toEqual({ definitions: [], newest: 0 })
})

test.each([
  [{ schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' }, /^0_6_x_x_1-5_Europe_Berlin-[0-9a-f]{10}$/],
  [{ schedule: '*/15 * * JAN,2 *', timeZone: 'Etc/GMT+5' }, /^x_15_x_x_JAN_2_x_Etc_GMT_5-[0-9a-f]{10}$/],
  [
    { schedule: `${Array.from({ length: 60 }, (_, at) => at)} * * * *`, timeZone: 'UTC' },
    /^0_1_2_.{26}-[0-9a-f]{10}$/,
  ],
])('the schedule of %o has a name that EventBridge accepts', (times, name) => {
  expect(scheduleName(times)).toMatch(name)
  expect(scheduleName(times)).toMatch(/^[0-9a-zA-Z-_.]{1,43}$/)
})

test('schedules whose legible names are equal are told apart', () => {
  const times = [
    { schedule: '0 6 * * 1', timeZone: 'Etc/UTC' },
    { schedule: '0,6 * * 1 *', timeZone: 'Etc/UTC' },
    { schedule: '0 6 * * 1', timeZone: 'Etc_UTC' },
  ]
  expect(new Set(times.map(scheduleName)).size).toBe(times.length)
})

/** A folder of migrations with these changes. */
function migrations(...changes: FrozenChange[]): URL {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-migrations-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [at, change] of changes.entries())
    for (const way of ['up', 'down'])
      writeFileSync(join(folder, `00${at + 1}_step.${way}.sql`), renderFrozen({ change, why: 'a test' }))
  return pathToFileURL(`${folder}/`)
}
