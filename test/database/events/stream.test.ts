import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type LocalEvents, mostListeners, startEvents } from '../../../serve/http/events.ts'
import { type Gateway, startGateway } from '../../../serve/http/gateway.ts'
import { eventSchemas } from '../../../src/api/events.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { EventType } from '../../../src/words/event.ts'
import { servedOn } from '../../support/api/served.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { type Listener, listenTo } from '../../support/waiting/listener.ts'
import { until } from '../../support/waiting/until.ts'

// The local gateway on a database whose events nobody else takes.

const { url, database, sql } = useDatabase()
let events: LocalEvents
let gateway: Gateway

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', url)
  await sql.unsafe(`
    create materialized view good as select 1 as id;
    create materialized view bad as select 1 / (select count(*) from pg_class where relname = 'gone') as id with no data`)
  await makeGatedView(sql, 'slow')
  events = startEvents(database)
  const served = servedOn(database)
  gateway = await startGateway({ port: 0, served, events })
})

afterAll(async () => {
  await events.close()
  await gateway.close()
  vi.unstubAllEnvs()
})

const listen = async (last?: string): Promise<Listener> => {
  const listener = await listenTo(gateway.url, last)
  onTestFinished(listener.leave)
  return listener
}
const refreshed = async (view: string) => (await refresh({ view }, callOn(database))).runId
const news = ({ heard }: Listener) => heard.filter(({ event }) => event !== 'changes')
const untilHeard = (listener: Listener, event: string, times = 1) =>
  until(`${event} is heard`, async () => {
    const found = news(listener).filter((each) => each.event === event)
    return found.length >= times && found.at(-1)
  })
const listening = async () => {
  const found = await sql<{ pid: number }[]>`
    select pid from pg_stat_activity where datname = current_database() and application_name = 'viewkeeper listening'`
  return found.map(({ pid }) => pid)
}

test('every listener hears each end once, in the order of each view, as it would come on the bus; one connection serves all', async () => {
  const listeners = await Promise.all(Array.from({ length: 5 }, () => listen()))
  const runs = [await refreshed('good'), await refreshed('bad')]
  const batchId = await begin(database, { views: ['good'] })
  await advanceToEnd(database, batchId)
  for (const listener of listeners) {
    const heard = await until(
      'four ends are heard',
      async () => news(listener).length === 4 && news(listener),
    )
    // Only the events of one subject have an order: a run whose rows are still counted is told later.
    const of = (subject: string) =>
      heard
        .filter(({ data }) => (data.view ?? data.batchId) === subject)
        .map(({ event, data }) => [event, data.runId])
    expect(of('public.good')).toEqual([
      ['ViewRefreshed', runs[0]],
      ['ViewRefreshed', expect.any(Number)],
    ])
    expect(of('public.bad')).toEqual([['ViewFailed', runs[1]]])
    expect(of(batchId)).toEqual([['BatchEnded', undefined]])
    for (const { id, event, data } of news(listener)) {
      expect(eventSchemas[event as EventType].parse(data)).toEqual(data)
      expect(data).toMatchObject({ type: event, environment: 'local', sequence: Number(id) })
    }
    const numbers = news(listener).map(({ data }) => data.sequence as number)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  }
  // The session with which the batch was advanced may be there for a moment.
  await until('one connection listens', async () => (await listening()).length === 1)
  // What is told is forgotten after it has been told: a listener may be told again, and is never left out.
  await until('nothing is left to tell', async () => !(await sql`select from viewkeeper.events`).length)
})

test('who comes again with the last number hears what it has missed, and no more', async () => {
  const before = await listen()
  await refreshed('good')
  const { id } = await untilHeard(before, 'ViewRefreshed')
  before.leave()
  const missed = await refreshed('good')
  const other = await listen(id)
  expect((await untilHeard(other, 'ViewRefreshed')).data.runId).toBe(missed)
  const later = await refreshed('good')
  expect((await untilHeard(other, 'ViewRefreshed', 2)).data.runId).toBe(later)
  const again = await listen(id)
  await untilHeard(again, 'ViewRefreshed', 2)
  expect(news(again).map(({ data }) => data.runId)).toEqual([missed, later])
})

test('a connection that breaks is opened again, and nothing is lost', async () => {
  const listener = await listen()
  // A listener that breaks off in the middle of a turn keeps the turn from others for a minute.
  await until('nobody has the turn', async () => {
    const [row] = await sql`
      select value = '{}' and not exists (select from viewkeeper.events)
             and not exists (select from viewkeeper.runs where announced_at is null) as free
        from viewkeeper.switches where key = 'events'`
    return row?.free
  })
  const [pid] = await listening()
  await sql`select pg_terminate_backend(${pid ?? 0})`
  const runId = await refreshed('good')
  expect((await untilHeard(listener, 'ViewRefreshed')).data.runId).toBe(runId)
  await until('the broken connection is gone', async () => !(await listening()).includes(pid ?? 0))
})

test('a run that somebody begins through the gateway is a hint, before its end is an event', async () => {
  const listener = await listen()
  await withGateClosed(sql, 'slow', async (open) => {
    const asked = fetch(`${gateway.url}/views/slow/refresh`, { method: 'POST' })
    await untilAtGate(sql, 'slow')
    await until('the hint is heard', async () => listener.heard.some(({ event }) => event === 'changes'))
    expect(news(listener)).toEqual([])
    await open()
    await asked
  })
  await untilHeard(listener, 'ViewRefreshed')
})

test('so many listen at once and no more, and no page of another site', async () => {
  const listeners = await Promise.all(Array.from({ length: mostListeners }, () => listen()))
  const refused = await fetch(`${gateway.url}/events`)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30'])
  expect(await refused.json()).toMatchObject({ code: 'TooManyListeners' })
  listeners[0]?.leave()
  const next = await until('somebody else may listen', () => listen().catch(() => null))
  await refreshed('good')
  await untilHeard(next, 'ViewRefreshed')
  const foreign = await fetch(`${gateway.url}/events`, { headers: { origin: 'https://elsewhere.example' } })
  expect(foreign.status).toBe(403)
})

test('the end of the gateway ends the streams and the connection; a gateway without events has no such route', async () => {
  const own = startEvents(database)
  const other = await startGateway({
    port: 0,
    served: servedOn(database),
    events: own,
  })
  const listener = await listenTo(other.url)
  await until('both listen', async () => (await listening()).length === 2)
  await own.close()
  await listener.ended
  await until('the connection is gone', async () => (await listening()).length === 1)
  expect((await fetch(`${other.url}/events`)).status).toBe(503)
  await other.close()
  const without = await startGateway({ port: 0, served: servedOn(database) })
  expect((await fetch(`${without.url}/events`)).status).toBe(404)
  const bodyOf = async (url: string) =>
    /<body[^>]*>/.exec(await (await fetch(`${url}/page/nowhere`)).text())?.[0]
  expect(await bodyOf(gateway.url)).toContain(' data-events')
  expect(await bodyOf(without.url)).toBe('<body>')
  await without.close()
})
