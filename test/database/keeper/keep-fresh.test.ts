import { expect, onTestFinished, test } from 'vitest'
import { defaults } from '../../../src/config/options.ts'
import { makeAdvancer } from '../../../src/keeper/advancer.ts'
import { keepFresh } from '../../../src/keeper/keep-fresh.ts'
import { termsOf } from '../../../src/keeper/terms.ts'
import { define, writeSwitch } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { sql, database, url } = useDatabase()

test.each([
  ['German', '* * * * *'],
  ['SQL, DMY', '*/1 * * * *'],
])(
  'schedules run, the monitor looks, and a batch is one line at its end, in a database that writes dates as %s does',
  async (style, schedule) => {
    const view = `public.${style.slice(0, 3).toLowerCase()}`
    await sql.unsafe(`
    alter database ${new URL(url).pathname.slice(1)} set datestyle = '${style}';
    create materialized view ${view} as select 1 as id with no data`)
    await define(sql, view, { sql: 'select 1 as id', schedule, time_zone: 'UTC' })
    // Nobody has led for some minutes, so a turn is due at once.
    await writeSwitch(sql, 'looked', { at: new Date(Date.now() - 300_000) })
    const stop = new AbortController()
    const errors: unknown[] = []
    const ofBatch: object[] = []
    const logger = {
      info: (message: string, fields: object) =>
        /^batch/.test(message) && ofBatch.push({ message, ...fields }),
      warn: () => {},
      error: (...said: unknown[]) => errors.push(said),
    }
    const terms = { ...termsOf({ ...defaults, schedules: { nightly: false } }), monitorEveryMs: 1000 }
    const advancer = makeAdvancer(database, { logger, signal: stop.signal })
    let looks = 0
    const done = keepFresh(
      { ...terms, database, logger, advancer, programs: null, told: false, onLook: () => looks++ },
      { ask: (query) => database.withConnection(query), signal: stop.signal, hasSlept: false },
    )
    onTestFinished(async () => {
      stop.abort()
      await done
    })
    const run = await until('the schedule has refreshed the view', async () => {
      const [ended] = await sql`
      select r.status, b.trigger from viewkeeper.runs r join viewkeeper.batches b on b.id = r.batch_id
       where format('%I.%I', r.schema_name, r.view_name) = ${view} and r.finished_at is not null`
      return ended
    })
    expect(run).toEqual({ status: 'success', trigger: 'schedule' })
    await until('the monitor has looked', async () => looks)
    await until('a batch has its line', async () => ofBatch.length)
    expect(ofBatch[0]).toMatchObject({ message: 'batch ended', trigger: 'schedule', status: 'success' })
    expect(new Set(ofBatch.map((line) => (line as { batchId: string }).batchId)).size).toBe(ofBatch.length)
    expect(errors).toEqual([])
  },
)
