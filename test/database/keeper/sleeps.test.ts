import { expect, onTestFinished, test } from 'vitest'
import { makeAdvancer } from '../../../src/keeper/advancer.ts'
import { keepFresh } from '../../../src/keeper/keep-fresh.ts'
import { keeperOf, silent } from '../../../src/keeper/keeper.ts'
import type { CopyStanding } from '../../../src/keeper/lead.ts'
import { termsOf } from '../../../src/keeper/terms.ts'
import { writeSwitch } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

/** Nothing is due in it but the looks. */
const config = { monitorEveryMinutes: 60, schedules: { nightly: false } } as const

test('while nothing is due for some minutes, no connection is open', async () => {
  const standings: CopyStanding[] = []
  let looks = 0
  const keeper = keeperOf(database, { config })
  keeper.start({ environment: 'sleepy', onLook: () => looks++, onStanding: (now) => standings.push(now) })
  onTestFinished(keeper.stop)
  await until('it sleeps', async () => standings.includes('sleeps'))
  expect({ standings, looks }).toEqual({ standings: ['leads', 'sleeps'], looks: 1 })
  expect(
    await sql`select application_name from pg_stat_activity where datname = current_database() and application_name like 'viewkeeper%'`,
  ).toEqual([])
})

/** An hour of a copy that wakes, whose monitor last looked so long ago: how long it would sleep then. */
const wake = (lookedAgoMs: number) =>
  database.withConnection(async (its) => {
    await writeSwitch(sql, 'looked', { at: new Date(Date.now() - lookedAgoMs) })
    const { signal } = new AbortController()
    const advancer = makeAdvancer(database, { logger: silent, signal })
    const looks: unknown[] = []
    const idleMs = await keepFresh(
      {
        ...termsOf(config),
        ...{ database, logger: silent, advancer, programs: null, told: true },
        onLook: (look) => looks.push(look),
      },
      { ask: (query) => query(its), signal, hasSlept: true },
    )
    return { minutes: Math.round(idleMs / 60_000), looks: looks.length }
  })

test('a copy that wakes looks if that is due, and sleeps until the next look', async () => {
  expect(await wake(10 * 60_000)).toEqual({ minutes: 50, looks: 0 })
  expect(await wake(60 * 60_000)).toEqual({ minutes: 60, looks: 1 })
})
