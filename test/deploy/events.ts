import assert from 'node:assert/strict'
import { eventSchemas } from '../../src/api/events.ts'
import { type EventType, eventSource, eventTypes, type ViewkeeperEvents } from '../../src/words/event.ts'
import { findAtGate, makeGatedView, withGateClosed } from '../support/views/slow-view.ts'
import type { Deployed } from './support/deployed.ts'
import { type ReceivedEvent, root } from './support/emulator/aws.ts'
import { killFunction } from './support/emulator/kill.ts'
import { poll, stage } from './support/transcript.ts'

type Event = ViewkeeperEvents[EventType]

const slow = 'slow_sales'

/** Ends a function in the middle of a refresh, then a function and its server process. Neither can say how it ends. */
export async function killWhatWorks({ api, sql, emulator, functions }: Deployed): Promise<void> {
  await makeGatedView(sql, slow)
  await sql.unsafe(`alter materialized view public.${slow} owner to owner_of_sales`)
  /** Refreshes, kills the function when the server is in the middle, and does `then` with the server's process. */
  const kill = (then: (pid: number, open: () => Promise<void>) => Promise<unknown>) =>
    withGateClosed(sql, slow, async (open) => {
      const asked = api.call('POST', `/views/public.${slow}/refresh`, root, { Prefer: 'wait=20' })
      const pid = await poll('the refresh waits', () => findAtGate(sql, slow))
      killFunction(emulator, functions.refresh)
      assert.ok((await asked).status >= 500)
      await then(pid, open)
    })
  const lastStatus = async () =>
    (await sql`select status from viewkeeper.runs where view_name = ${slow} order by id desc limit 1`)[0]
      ?.status
  await stage('a refresh whose function is killed goes on, and ends well', () =>
    kill(async (_, open) => {
      await open()
      await poll('the end of the run', async () => (await lastStatus()) === 'success' || undefined)
    }),
  )
  await stage('a refresh whose function and server process are killed is lost', () =>
    kill((pid) => sql`select pg_terminate_backend(${pid}, 10000)`),
  )
}

/** Compares what the rules of the app took since the first deploy with the record. */
export async function findEvents({ aws, sql, functions, queues }: Deployed): Promise<void> {
  const events: Event[] = []
  await stage(
    'each run, batch and incident so far is one event for the rule of an app',
    async () => {
      // The look that finds the lost run, and says so in its log.
      await aws.invoke(functions.send)
      const record = await readRecord(sql)
      await poll('the events of the record', async () => {
        events.push(...(await aws.receiveEvents(queues.every)).map(read))
        return events.length >= record.length || undefined
      }).catch(() => {}) // what is missing is said next
      assert.deepEqual(events.map(inShort).sort(), record)
      const [lost] = events.filter((event) => event.type === 'ViewFailed' && event.error.class === 'RunLost')
      assert.equal(lost && viewOf(lost), `public.${slow}`)
    },
    () =>
      eventTypes.map((type) => `${events.filter((event) => event.type === type).length} ${type}`).join(', '),
  )
  await stage('… in order for each view', async () => {
    for (const [view, its] of Map.groupBy(events, viewOf)) {
      const numbers = its.map(({ sequence }) => sequence)
      assert.deepEqual(
        numbers,
        numbers.toSorted((one, other) => one - other),
        view,
      )
    }
  })
  await stage('… and a rule for the refreshes of one view took these alone', async () => {
    const taken = (await aws.receiveEvents(queues.sales)).map(read)
    const its = events.filter((event) => event.type === 'ViewRefreshed' && viewOf(event) === 'public.sales')
    assert.ok(its.length > 0)
    assert.deepEqual(taken, its)
  })
}

/** What programs have to be told, as the record has it; the two views that were stale (alarms.ts); and the one whose run was lost. */
async function readRecord(sql: Deployed['sql']): Promise<string[]> {
  const rows = await sql`
    select case status when 'failed' then 'ViewFailed' else 'ViewRefreshed' end || ' ' || id as told
      from viewkeeper.runs where status = 'failed' or (status = 'success' and fills)
    union all select 'BatchEnded ' || id from viewkeeper.batches where finished_at is not null`
  const stale = ['public.sales', 'reports.yearly_sales']
  const incidents = stale.flatMap((view) => [
    `IncidentOpened stale ${view}`,
    `IncidentResolved stale ${view}`,
  ])
  return [...rows.map(({ told }) => told), ...incidents, `IncidentOpened failing public.${slow}`].sort()
}

function inShort(event: Event): string {
  if ('runId' in event) return `${event.type} ${event.runId}`
  if ('batchId' in event) return `${event.type} ${event.batchId}`
  return `${event.type} ${event.kinds} ${event.view}`
}

const viewOf = (event: Event): string => ('view' in event ? event.view : event.batchId)

/** What a program reads, which has to be as the schema of the docs says. */
function read({ source, 'detail-type': type, detail }: ReceivedEvent): Event {
  assert.equal(source, eventSource)
  const event = eventSchemas[type].parse(detail)
  assert.equal(event.environment, 'deploy-test')
  return event as Event
}
