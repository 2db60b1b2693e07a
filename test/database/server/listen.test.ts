import { expect, onTestFinished, test } from 'vitest'
import { runChannel, whileListening } from '../../../src/server/listen.ts'
import { administrator, useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { sql, database, as } = useDatabase()

test('however many notifications a login forges, a listener is told at most so often, and of the last one, too', async () => {
  const login = `forger_${process.pid}`
  await sql.unsafe(`create role ${login} login password 'secret'`)
  const forger = administrator(as(login).url)
  onTestFinished(() => forger.end({ timeout: 1 }))
  let told = 0
  const tell = () => {
    told++
  }
  await whileListening(database, tell, async ({ sql: listening }) => {
    const since = performance.now()
    await forger`select count(pg_notify(${runChannel}, n::text)) from generate_series(1, 20000) n`
    // Notifications are received before the answer of a query that begins after them.
    await listening`select`
    await listening`select`
    expect(told).toBeGreaterThan(0)
    expect(told).toBeLessThanOrEqual(2 + (performance.now() - since) / 100)
    const before = told
    await sql`select pg_notify(${runChannel}, '1')`
    await until('the listener is told of the last one', async () => told > before)
  })
})
