import assert from 'node:assert/strict'
import { stage } from '../deploy/support/transcript.ts'
import type { Tarball } from '../package/pack.ts'
import type { Place } from '../package/team.ts'
import { besideOthers, Example } from './example.ts'

const days = /^2026-11-01: 2 orders, 42\.00\n2026-11-02: 1 orders, 8\.00$/m

/** Tables by Drizzle, views by Viewkeeper, and a column that changes below a view. */
export async function tryDrizzle(tarball: Tarball, place: Place): Promise<void> {
  const drizzle = new Example('drizzle', tarball, place, await besideOthers())
  await stage('drizzle: install, migrate tables, then views', async () => {
    assert.match(await drizzle.follows('Start'), /✓ 001_daily_sales +created/)
    await drizzle.team.types('npx tsc')
  })
  await stage('drizzle: a refresh is read by a typed query', async () => {
    const output = await drizzle.follows('Refresh and read')
    assert.match(output, /✓ daily_sales .+ run \d+/)
    assert.match(output, days)
  })
  await stage('drizzle: a column changes under the view', async () => {
    const change = "amount: numeric({ precision: 12, scale: 2, mode: 'number' }).notNull(),"
    assert.ok(drizzle.team.read('README.md').includes(change))
    drizzle.edit('src/schema.ts', 'amount: integer().notNull(),', change)
    const output = await drizzle.follows('Change a table under the view')
    assert.match(output, /materialized view public\.daily_sales .+made again and filled/)
    assert.match(output, /✓ public\.daily_sales +made again/)
    assert.match(output, /authored, frozen and live are the same/)
    assert.match(await drizzle.team.types('npx tsc && npm run report', await databaseOf(drizzle)), days)
    const type = `select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'orders'::regclass and attname = 'amount'`
    assert.deepEqual(await drizzle.rows(type), [['numeric(12,2)']])
  })
  assert.deepEqual(drizzle.left, [])
}

const databaseOf = async ({ team }: Example) => ({
  env: { DATABASE_URL: (await team.types('npx viewkeeper dev --database-url 2> /dev/null')).trim() },
})
