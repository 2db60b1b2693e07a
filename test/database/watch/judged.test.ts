import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { unscheduled } from '../../../src/batch/schedules.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { counts } from '../../support/counts.ts'
import { until } from '../../support/waiting/until.ts'
import { useHistory } from './past.ts'

// While nothing is written, the monitor repeats what it found, and judges nothing. A look that judges everything is the truth here.

const { database, sql, clear, writePast } = useHistory()

const unheard = { runs() {}, batches() {}, trouble() {} }
const look = async () => {
  const { troubles } = await monitor(database, { schedules: unscheduled, publish: unheard })
  return troubles.map(({ trouble, name }) => `${name} is ${trouble}`).sort()
}
const forget = () => sql`delete from viewkeeper.switches where key = 'judged'`

/** When the monitor judged last, and until when it does not judge again unless something is written. */
async function judged(): Promise<{ at: string; until: Date } | undefined> {
  const [row] = await sql<{ at: string; until: Date }[]>`
    select value ->> 'at' as at, (value ->> 'until')::timestamptz as until from viewkeeper.switches where key = 'judged'`
  return row
}

/** Looks until the monitor judges no more. */
async function settle(): Promise<void> {
  for (let looks = 0; looks < 5; looks++) {
    const before = await judged()
    await look()
    if (before !== undefined && (await judged())?.at === before.at) return
  }
  throw new Error('the monitor judges at each look')
}

async function begin(): Promise<void> {
  await clear()
  await forget()
  await sql`delete from viewkeeper.definitions where schema_name = 'elsewhere'`
  await sql`
    update viewkeeper.definitions set source = 'authored', paused_at = null, removed_at = null, max_staleness_seconds = null, target_lag_seconds = null`
  for (const name of ['steady', 'shaky', 'quiet', 'fresh'])
    await sql.unsafe(`create materialized view if not exists ${name} as select 1 as id`)
}
beforeEach(begin)

/** What somebody may do to the view `name`. */
const acts: Record<string, (name: string) => PromiseLike<unknown>> = {
  fails: (name) => writePast([{ view: name, ago: '1 minute', status: 'failed' }]),
  succeeds: (name) => writePast([{ view: name, ago: '1 minute' }]),
  'fails, published by somebody else': async (name) => {
    await writePast([{ view: name, ago: '1 minute', status: 'failed' }])
    await sql`update viewkeeper.runs set published_at = clock_timestamp() where published_at is null`
  },
  'gets a limit that is over': async (name) => {
    await sql`update viewkeeper.definitions set max_staleness_seconds = 3600 where name = ${name}`
    await acts['is expected for long']!(name)
  },
  'gets a long limit': (name) =>
    sql`update viewkeeper.definitions set max_staleness_seconds = 864000 where name = ${name}`,
  'is expected for long': (name) =>
    sql`update viewkeeper.definitions set expected_since = now() - interval '1 day' where name = ${name}`,
  'is paused': (name) => sql`update viewkeeper.definitions set paused_at = now() where name = ${name}`,
  'is resumed': (name) => sql`update viewkeeper.definitions set paused_at = null where name = ${name}`,
  'is dropped': (name) => sql.unsafe(`drop materialized view if exists ${name}`),
  'is made': (name) => sql.unsafe(`create materialized view if not exists ${name} as select 1 as id`),
  'has a schema that gets another name': () => sql`alter schema public rename to elsewhere`,
  'is filled by hand': (name) =>
    sql.unsafe(
      `do $$ begin if to_regclass('${name}') is not null then refresh materialized view ${name}; end if; end $$`,
    ),
  'is forgotten': (name) =>
    sql`update viewkeeper.definitions set removed_at = now() where name = ${name} and to_regclass(name) is null`,
  'loses its runs': (name) => sql`delete from viewkeeper.runs where view_name = ${name}`,
  'gets a target lag': (name) =>
    sql`update viewkeeper.definitions set target_lag_seconds = 60 where name = ${name}`,
  'runs now': (name) => sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, claim_by)
    select id, 'public', name, 'refresh', 'http', now() + interval '1 hour' from viewkeeper.definitions where name = ${name}`,
}
const all = Object.keys(acts).flatMap((act) => ['steady', 'shaky'].map((name) => ({ act, name })))

test('whatever is written, the next look finds what a look finds that judges everything', async () => {
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(all, { minLength: all.length }), async (steps) => {
      await begin()
      for (const { act, name } of steps) {
        await settle()
        await acts[act]!(name)
        const found = await look()
        await forget()
        expect(found, `${name} ${act}`).toEqual(await look())
        // Otherwise the monitor judges at each look, or the next act finds no view.
        await sql.unsafe(
          `do $$ begin if to_regnamespace('elsewhere') is not null then alter schema elsewhere rename to public; end if; end $$`,
        )
        await sql`delete from viewkeeper.runs where finished_at is null`
        await sql`update viewkeeper.definitions set target_lag_seconds = null where target_lag_seconds is not null`
      }
    }),
    { numRuns: counts.judgedChanges },
  )
})

test('while nothing is written, what was found is found again without a look at the views, and grows older', async () => {
  await writePast([
    { view: 'shaky', ago: '1 hour', status: 'failed' },
    { view: 'steady', ago: '1 hour' },
  ])
  await sql`update viewkeeper.definitions set max_staleness_seconds = 60 where name = 'steady'`
  await sql`update viewkeeper.definitions set expected_since = now() - interval '1 day' where name = 'steady'`
  await settle()
  const { at } = (await judged())!
  expect(await look()).toEqual(['public.shaky is failing', 'public.steady is stale'])
  expect((await judged())?.at).toBe(at)
  const age = async () => {
    const { troubles } = await monitor(database, { schedules: unscheduled, publish: unheard })
    return troubles.find(({ trouble }) => trouble === 'stale')!.ageSeconds!
  }
  const before = await age()
  await until('the data are a second older', async () => (await age()) > before)
  expect((await judged())?.at).toBe(at)
  // Another environment expects something else.
  const nightly = { schedule: '0 3 * * *', timeZone: 'UTC' }
  await monitor(database, { schedules: { nightly, views: true }, publish: unheard })
  expect((await judged())?.at).not.toBe(at)
})

test('a view that becomes stale by the time alone is found at that moment', async () => {
  let seconds = 2
  const moment = await until('a look before the view is stale finds what was found', async () => {
    seconds *= 2 // a slow machine needs longer for the looks
    await begin()
    await writePast([{ view: 'steady', ago: '1 hour' }])
    await look()
    await sql`update viewkeeper.definitions set max_staleness_seconds = ${seconds} where name = 'steady'`
    await settle()
    const before = (await judged())!
    return (await look()).length === 0 && (await judged())?.at === before.at && before.until
  })
  await until('the view is stale', async () => (await look()).includes('public.steady is stale'))
  expect(Date.now()).toBeGreaterThanOrEqual(moment.getTime())
})

test('a reader is noted although nothing is written', async () => {
  const [server] = await sql`select current_setting('server_version_num')::int >= 160000 as tells`
  await writePast([{ view: 'steady', ago: '1 hour' }])
  await settle()
  const { at } = (await judged())!
  await sql`select * from steady`
  await sql`select pg_stat_force_next_flush()`
  await look()
  expect((await judged())?.at).toBe(at)
  const [row] =
    await sql`select last_read_at is not null as noted from viewkeeper.definitions where name = 'steady'`
  expect(row?.noted).toBe(server?.tells)
})
