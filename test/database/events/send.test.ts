import { beforeEach, describe, expect, test } from 'vitest'
import { eventSchemas } from '../../../src/api/events.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { type HandingOut, handOut, sendWaiting } from '../../../src/events/hand-out.ts'
import type { WaitingEvent } from '../../../src/record/plan/watch.ts'
import { beginMonitoring } from '../../../src/record/watch/looks.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import type { EventType } from '../../../src/words/event.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deep } from '../../support/deep.ts'
import { whileWorkedOn } from '../../support/processes/worker.ts'
import { age } from '../../support/record/past.ts'
import {
  define,
  deleteRows,
  emptyTables,
  insertRow,
  insertRows,
  updateRows,
  writeSwitch,
} from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { muchLater, until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()
const environment = 'production'
const whole = { token: null, done: [], stop: false }

/** Puts what waits on a bus, which refuses what `refuses` says. */
async function putOn(bus: WaitingEvent[], refuses: (event: WaitingEvent) => boolean = () => false) {
  const put: HandingOut['put'] = async (events) =>
    events.map((event) => {
      const { type, id, sequence, at, detail } = event
      eventSchemas[type as EventType].parse({ type, id, sequence, at, environment, ...detail })
      if (refuses(event)) return 'InternalFailure'
      bus.push(event)
      return null
    })
  const ask: HandingOut['ask'] = (request) => handOut(database, request, environment)
  return sendWaiting({ ask, put, until: muchLater() })
}
const look = (programs: { typed: string } | null = { typed: environment }) =>
  monitor(database, { schedules: unscheduled, publish: unheard, programs })
const call = () => callOn(database)
const inShort = ({ type, subject }: WaitingEvent) => `${type} ${subject}`

/** As if nobody had sent anything in the last minute. */
const endTurn = () => writeSwitch(sql, 'events', {})

/** A batch may end a moment before the server process of its last run lets go of the run, which until then is no event. */
const untilNobodyWorks = () =>
  until('no server process works on a run', async () => {
    const working = await sql`select from viewkeeper.runs where plan is not null`
    return working.length === 0
  })

beforeEach(async () => {
  await emptyTables(sql, 'runs', 'batches', 'events', 'incidents', 'definitions')
  await endTurn()
  await sql`drop schema if exists e cascade`
  await sql.unsafe(`
    create schema e;
    create materialized view e.good as select 1 as id;
    create function e.broken() returns integer language plpgsql as $$ begin return 1 / 0; end $$;
    create materialized view e.bad as select e.broken() as id with no data;
    create materialized view e.above as select id from e.bad with no data`)
})

describe('what programs are told', () => {
  test('is the record: each run that made a view fresh or failed, and each batch that ended, once', async () => {
    const first = await refresh({ view: 'e.good', strategy: 'regular' }, call())
    const failed = await refresh({ view: 'e.bad', strategy: 'regular' }, call())
    await refresh({ view: 'e.nowhere' }, call()).catch(() => {})
    const again = await refresh({ view: 'e.good', strategy: 'swap' }, call())
    const batchId = await begin(database, { views: ['e.good', 'e.above', 'e.bad'], retries: 0 })
    await advanceToEnd(database, batchId)
    await untilNobodyWorks()
    await drop({ view: 'e.above' }, call())

    const bus: WaitingEvent[] = []
    expect(await putOn(bus)).toEqual({ sent: bus.length, refused: null })
    const recorded = await sql`
      select id from viewkeeper.runs
       where (status = 'success' and fills) or status = 'failed' order by id`
    const told = bus.flatMap(({ detail }) => (detail.runId as number | undefined) ?? [])
    expect(told.sort((one, other) => one - other)).toEqual(recorded.map(({ id }) => id))
    expect(bus.map(inShort)).toEqual([
      'ViewRefreshed e.good',
      'ViewFailed e.bad',
      'ViewRefreshed e.good',
      ...bus.slice(3, 5).map(inShort),
      `BatchEnded ${batchId}`,
    ])
    expect(bus.slice(3, 5).map(inShort).sort()).toEqual(['ViewFailed e.bad', 'ViewRefreshed e.good'])
    const numbers = bus.map(({ sequence }) => sequence)
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other))

    expect(bus[0]).toMatchObject({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      detail: {
        view: 'e.good',
        runId: first.runId,
        batchId: null,
        operation: 'refresh',
        trigger: 'http',
        strategy: 'regular',
        rows: 1,
        durationMs: expect.any(Number),
        ageSeconds: null,
      },
    })
    expect(bus[1]!.detail).toMatchObject({
      runId: failed.runId,
      attempt: 1,
      error: { class: 'ViewSqlFailed', sqlstate: '22012', message: expect.any(String) },
      ageSeconds: null,
      next: 'viewkeeper why e.bad --env production',
    })
    expect(bus[2]!.detail).toMatchObject({
      runId: again.runId,
      strategy: 'swap',
      ageSeconds: expect.any(Number),
    })
    expect(bus.at(-1)!.detail).toMatchObject({
      batchId,
      status: 'failed',
      views: { success: 1, failed: 1, canceled: 0, skipped: 1 },
      error: { class: 'ViewsFailed' },
      next: `viewkeeper batches ${batchId} --env production`,
    })
    expect(await putOn(bus)).toEqual({ sent: 0, refused: null })
    expect(await look()).toMatchObject({ waitingSeconds: expect.any(Number) })
    expect(await putOn(bus)).toEqual({ sent: 1, refused: null })
    expect(bus.at(-1)!.detail).toMatchObject({
      kinds: ['failing'],
      view: 'e.bad',
      culprit: 'e.bad',
      cause: { code: 'Failed', text: expect.stringContaining('division by zero (ViewSqlFailed, 22012)') },
      next: 'viewkeeper bad-row e.bad',
    })
    expect(await look()).toMatchObject({ waitingSeconds: null })
  })

  test('a run whose server process was ended is a failed view as soon as somebody looks; a canceled run is nothing', async () => {
    await makeGatedView(sql, 'gated')
    await withGateClosed(sql, 'gated', async () => {
      const answer = refresh({ view: 'gated' }, call())
      const pid = await untilAtGate(sql, 'gated')
      await sql`select pg_terminate_backend(${pid})`
      await answer
    })
    await withGateClosed(sql, 'gated', async () => {
      const { runId } = await refresh({ view: 'gated' }, { ...call(), waitUntil: 0 })
      await untilAtGate(sql, 'gated')
      await until('it is canceled', async () => (await cancel(runId, call())).status === 'error')
    })
    const bus: WaitingEvent[] = []
    await putOn(bus)
    expect(bus.map(inShort)).toEqual(['ViewFailed public.gated'])
    expect(bus[0]!.detail).toMatchObject({ error: { class: 'RunLost' } })
  })

  test('an incident is opened and resolved once, whenever people are told of it', async () => {
    await refresh({ view: 'e.good' }, call())
    await define(sql, 'e.good', { max_staleness_seconds: 3600, source: 'discovered' })
    await define(sql, 'e.gone', { sql: 'select 1 as id' })
    await updateRows(sql, 'definitions', {}, { expectedSince: sql`now() - interval '1 year'` })
    await age(sql, '2 hours', 'good')
    await look()
    await look()
    await age(sql, '-2 hours', 'good')
    await create({ view: 'e.gone' }, call())
    await look()
    await age(sql, '2 hours', 'good')
    expect(await look()).toMatchObject({ waitingSeconds: expect.any(Number) })

    const bus: WaitingEvent[] = []
    await putOn(bus)
    const incidents = bus.filter(({ type }) => type.startsWith('Incident'))
    expect(incidents.map(({ type, detail }) => `${type} ${detail.kinds} ${detail.view}`)).toEqual([
      'IncidentOpened stale e.good',
      'IncidentOpened missing e.gone',
      'IncidentResolved missing e.gone',
      'IncidentResolved stale e.good',
      'IncidentOpened stale e.good',
    ])
    const [first, missing, , resolved] = incidents
    expect(missing!.detail).toMatchObject({ ageSeconds: null, maxStalenessSeconds: null })
    expect(first!.detail).toMatchObject({ maxStalenessSeconds: 3600, culprit: 'e.good' })
    expect(first!.detail.ageSeconds).toBeGreaterThanOrEqual(7200)
    expect(resolved!.detail.openedAt).toBe(first!.at)
  })

  test('is nothing of what ended before the first deploy', async () => {
    await deleteRows(sql, 'switches', { key: 'monitored' })
    await refresh({ view: 'e.good' }, call())
    await handOut(database, whole, environment)
    await refresh({ view: 'e.bad' }, call())
    await database.withConnection(beginMonitoring)
    await endTurn()
    const bus: WaitingEvent[] = []
    await putOn(bus)
    expect(bus).toEqual([])
  })

  test('is nothing of what ended while events were switched off', async () => {
    await refresh({ view: 'e.good' }, call())
    await handOut(database, whole, environment)
    await refresh({ view: 'e.bad' }, call())
    await advanceToEnd(database, await begin(database, { views: ['e.good'] }))
    await untilNobodyWorks()
    await define(sql, 'e.gone', { sql: 'select 1 as id' })
    expect(await look(null)).toMatchObject({ waitingSeconds: null, publishedRuns: 3, publishedBatches: 1 })
    await endTurn()
    await refresh({ view: 'e.good' }, call())
    const bus: WaitingEvent[] = []
    await putOn(bus)
    expect(bus.map(inShort)).toEqual(['ViewRefreshed e.good'])
  })
})

test('events of a view wait for its run before them, whose server process still counts', async () => {
  const first = await refresh({ view: 'e.good' }, call())
  await refresh({ view: 'e.good' }, call())
  await refresh({ view: 'e.bad' }, call())
  const bus: WaitingEvent[] = []
  await updateRows(sql, 'runs', { id: first.runId }, { plan: {} })
  await whileWorkedOn(sql, `r.id = ${first.runId}`, async () => {
    await putOn(bus)
    expect(bus.map(inShort)).toEqual(['ViewFailed e.bad'])
  })
  await putOn(bus)
  expect(bus.slice(1).map(({ subject, detail }) => [subject, detail.runId])).toEqual([
    ['e.good', first.runId],
    ['e.good', first.runId + 1],
  ])
})

test('an event has the count that ends while the event is made', async () => {
  const { runId } = await refresh({ view: 'e.good' }, call())
  await updateRows(sql, 'runs', { id: runId }, { rowCountAfter: null })
  const bus: WaitingEvent[] = []
  const counting = await sql.reserve()
  try {
    await counting`begin`
    await updateRows(counting as never, 'runs', { id: runId }, { rowCountAfter: 7 })
    const put = putOn(bus)
    await until('the event waits for the count', async () => {
      const [row] = await sql`
        select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and query like '%untold%'`
      return row
    })
    await counting`commit`
    await put
  } finally {
    counting.release()
  }
  expect(bus.map(({ detail }) => detail.rows)).toEqual([7])
})

test('a proof that a refresh would change nothing makes the data young', async () => {
  await define(sql, 'e.good', { source: 'discovered' })
  await refresh({ view: 'e.good' }, call())
  await age(sql, '2 hours')
  const proof = { finishedAt: new Date(), asOf: sql`clock_timestamp() - interval '10 minutes'` }
  await insertRow(sql, 'runs', { view: 'e.good', status: 'skipped', ...proof })
  const { runId } = await refresh({ view: 'e.good' }, call())
  const bus: WaitingEvent[] = []
  await putOn(bus)
  const seconds = bus.find(({ detail }) => detail.runId === runId)?.detail.ageSeconds
  expect(seconds).toBeGreaterThanOrEqual(600)
  expect(seconds).toBeLessThan(7200)
})

describe('a bus that refuses or is away', () => {
  test('delays what it has not taken, in the order of each view, and loses nothing', async () => {
    await sql`create materialized view e.other as select 1 as id`
    for (const view of ['e.good', 'e.other', 'e.good', 'e.bad', 'e.good']) await refresh({ view }, call())
    const bus: WaitingEvent[] = []
    let turn = 0
    const refused = await putOn(bus, ({ subject }) => subject === 'e.good' && ++turn > 1)
    expect(refused).toEqual({ sent: 3, refused: 'InternalFailure' })
    expect(bus.map(inShort)).toEqual(['ViewRefreshed e.good', 'ViewRefreshed e.other', 'ViewFailed e.bad'])
    expect(await look()).toMatchObject({ waitingSeconds: expect.any(Number) })
    await refresh({ view: 'e.good' }, call())
    expect(await putOn(bus)).toEqual({ sent: 4, refused: null })
    const good = bus.filter(({ subject }) => subject === 'e.good').map(({ detail }) => detail.runId as number)
    expect(good).toEqual([...good].sort((one, other) => one - other))
    expect(good).toHaveLength(4)
  })

  test('gets an event again, with the same id and number, if its sender died before saying so', async () => {
    await refresh({ view: 'e.good' }, call())
    const handed = await handOut(database, whole, environment)
    expect(await handOut(database, whole, environment)).toEqual({ busy: true })
    // The turn is over a minute later.
    await updateRows(sql, 'switches', { key: 'events' }, { value: sql`value || '{"until": "2000-01-01"}'` })
    const again = await handOut(database, whole, environment)
    if (handed.busy || again.busy) throw new Error('somebody else has the turn')
    expect(again.events).toEqual(handed.events)
    expect(again.token).not.toBe(handed.token)
    // The first one is alive after all: it may say what is on the bus, and gets nothing more.
    const done = handed.events.map(({ sequence }) => sequence)
    expect(await handOut(database, { token: handed.token, done, stop: false }, environment)).toEqual({
      busy: true,
    })
    const more = await handOut(database, { token: again.token, done: [], stop: false }, environment)
    expect(more).toMatchObject({ busy: false, events: [] })
  })
})

test('a bus that refuses for long delays no message for people, and topics that refuse delay no event', async () => {
  const write = (type: string, count: number) => {
    const event = { type, subject: 'people', at: new Date(), detail: {} }
    const subjectOf = (at: number) => type !== 'Message' && { subject: `e.${at}` }
    return insertRows(
      sql,
      'events',
      Array.from(Array(count), (_, at) => ({ ...event, ...subjectOf(at) })),
    )
  }
  for (const [dead, alive] of [
    ['BatchEnded', 'Message'],
    ['Message', 'BatchEnded'],
  ] as const) {
    await emptyTables(sql, 'events')
    await write(dead, 120)
    await write(alive, 3)
    const taken: WaitingEvent[] = []
    const put: HandingOut['put'] = async (events) =>
      events.map((event) => {
        if (event.type === dead) return 'refused'
        taken.push(event)
        return null
      })
    const ask: HandingOut['ask'] = (request) => handOut(database, request, environment)
    expect(await sendWaiting({ ask, put, until: muchLater() })).toEqual({ sent: 3, refused: 'refused' })
    expect(taken.map(({ type }) => type)).toEqual([alive, alive, alive])
  }
})

test(
  'many who put events on the bus while runs end put each event there once, in the order of each view',
  deep,
  async () => {
    const bus: WaitingEvent[] = []
    const turns = Array.from({ length: 6 }, async () => {
      for (let at = 0; at < 4; at++) {
        await refresh({ view: at % 2 === 0 ? 'e.good' : 'e.bad' }, call())
        await putOn(bus)
      }
    })
    await Promise.all(turns)
    await putOn(bus)
    const recorded = await sql`
    select id from viewkeeper.runs where (status = 'success' and fills) or status = 'failed' order by id`
    expect(bus.map(({ detail }) => detail.runId as number).sort((one, other) => one - other)).toEqual(
      recorded.map(({ id }) => id),
    )
    const numbers = bus.map(({ sequence }) => sequence)
    for (const subject of ['e.good', 'e.bad']) {
      const own = bus.filter((event) => event.subject === subject).map(({ sequence }) => sequence)
      expect(own).toEqual([...own].sort((one, other) => one - other))
    }
    expect(new Set(numbers).size).toBe(numbers.length)
  },
)
