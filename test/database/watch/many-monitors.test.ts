import { beforeEach, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import type { Database } from '../../../src/server/database.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { emptyTables, insertRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { between } from '../../support/waiting/between.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

/** Three runs and two batches that have ended. */
beforeEach(async () => {
  await emptyTables(sql, 'runs', 'batches')
  const ended = { status: 'success', finishedAt: new Date() }
  await insertRows(sql, 'runs', Array(3).fill({ view: 'v', ...ended }))
  await insertRows(sql, 'batches', Array(2).fill(ended))
})

/** One look at everything, with what it has told so far. */
function look(from: Database) {
  const told = { runs: 0, batches: 0 }
  const publish = {
    ...unheard,
    runs(ended: unknown[]) {
      told.runs += ended.length
    },
    batches(ended: unknown[]) {
      told.batches += ended.length
    },
  }
  return { told, ended: monitor(from, { schedules: unscheduled, publish }) }
}

/** A look that comes to `stop` each time when it has told of something and not marked it yet. */
function lookStopping(stop: () => Promise<unknown>) {
  const seen = { runs: 0, batches: 0 }
  const looking: { told: typeof seen; ended: Promise<unknown> } = look(
    between(database, async () => {
      if (looking === undefined || JSON.stringify(looking.told) === JSON.stringify(seen)) return
      Object.assign(seen, looking.told)
      await stop()
    }),
  )
  return looking
}

test('of two monitors at once each ended run and batch is published by one', async () => {
  const all: { runs: number; batches: number }[] = []
  const one = lookStopping(async () => {
    const other = look(database)
    await other.ended
    all.push(other.told)
  })
  await one.ended
  expect(all.length).toBeGreaterThan(0)
  all.push(one.told)
  expect(all.map(({ runs }) => runs).reduce((a, b) => a + b)).toBe(3)
  expect(all.map(({ batches }) => batches).reduce((a, b) => a + b)).toBe(2)
})

test('what a monitor published that died before it could say so is published again', async () => {
  const one = lookStopping(() => Promise.reject(new Error('it died')))
  await expect(one.ended).rejects.toThrow('it died')
  expect(one.told).toEqual({ runs: 3, batches: 0 })
  const { told, ended } = look(database)
  await ended
  expect(told).toEqual({ runs: 3, batches: 2 })
})

test('what a monitor holds that hangs is published by another soon', async () => {
  const stopped = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const one = lookStopping(() => {
    stopped.resolve()
    return goOn.promise
  })
  const outcome = one.ended.then(
    () => 'it marked what another had published',
    () => 'its session had ended',
  )
  await stopped.promise
  const published = await until('the other has published everything', async () => {
    const { told, ended } = look(database)
    await ended
    return told.runs
  })
  expect(published).toBe(3)
  goOn.resolve()
  expect(await outcome).toBe('its session had ended')
})
