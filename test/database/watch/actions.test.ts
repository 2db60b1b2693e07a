import { expect, test } from 'vitest'
import { textOf } from '../../../cli/output/table.ts'
import { handler as api } from '../../../functions/api.ts'
import { handler as answerDrop } from '../../../functions/drop.ts'
import { handler as answerRefresh } from '../../../functions/refresh.ts'
import { actionList } from '../../../src/api/answers.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { prune } from '../../../src/keeper/jobs.ts'
import { askedOf } from '../../../src/record/plan/action-words.ts'
import { aboutCell } from '../../../src/resources/run-facts.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { alter, setAside } from '../../../src/set-aside/set-aside.ts'
import { httpEvent, lambdaContext, parsed, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callPutBack } from '../../support/views/alter.ts'
import { begin, define } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { muchLater, until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
quietFunctionsOn(url)

const anna = 'arn:aws:iam::000000000000:user/anna'
const bob = 'arn:aws:sts::000000000000:assumed-role/operator/bob'

type Send = (event: never, context: never) => Promise<unknown>
const send = async (
  handler: unknown,
  routeKey: string,
  { caller = anna, view, ...more }: { caller?: string; view?: string } & Parameters<typeof httpEvent>[1] = {},
) => {
  const event = httpEvent(routeKey, { caller, ...(view && { path: { view } }), ...more })
  return parsed((await (handler as Send)(event as never, lambdaContext() as never)) as never)
}
const quiet = { onPlan() {}, onWait() {}, onTried() {}, onFill() {} }
const toEnd = { headers: { prefer: 'wait=25' } }
const listed = async (filter: Record<string, string> = {}) => {
  const { body } = await send(api, 'GET /actions', { query: filter })
  return actionList.parse(body)
}
const told = async (filter: Record<string, string> = {}) =>
  (await listed(filter)).actions
    .map(({ action, requestedBy, views }) => `${requestedBy.split('/').at(-1)} ${action} ${views}`.trim())
    .reverse()

test('what people do by hand is listed with who, to what and how; nothing else is', async () => {
  await sql.unsafe('create table ground (id int); create materialized view base as select id from ground')
  await sql`create materialized view "Odd" as select id from base`
  for (const name of ['base', 'Odd']) await define(sql, `public.${name}`, { in_all: true })

  await send(api, 'POST /views/{view}/pause', { view: 'base' })
  await send(api, 'POST /views/{view}/pause', { view: 'base', caller: bob })
  await send(answerRefresh, 'POST /views/{view}/refresh', { view: 'base' })
  await send(answerRefresh, 'POST /views/{view}/refresh', { ...toEnd, view: 'base', body: { force: true } })
  await send(api, 'POST /views/{view}/resume', { view: 'base', caller: bob })
  await send(api, 'POST /pause')
  await send(api, 'POST /resume', { caller: bob })
  await refresh(
    { view: 'base', force: true },
    callOn(database, { trigger: 'schedule', requestedBy: 'nightly' }),
  )
  expect(await told()).toEqual([
    'anna pause public.base',
    'anna force public.base',
    'bob resume public.base',
    'anna pause',
    'bob resume',
  ])
  expect(await told({ view: '"Odd"' })).toEqual(['anna pause', 'bob resume'])
  const [forced] = (await listed({ action: 'force' })).actions
  const [run] = await sql`select id, requested_at from viewkeeper.runs where id = ${forced?.runId ?? null}`
  expect(forced).toMatchObject({ at: run?.requested_at.toISOString(), request: { force: true } })

  const batchId = await begin(database, { views: ['base', '"Odd"'] })
  const path = { id: batchId }
  for (const caller of [bob, anna]) await send(api, 'POST /batches/{id}/cancel', { path, caller })
  await startBatch({ retryOf: batchId }, callOn(database, { requestedBy: anna }))
  const aside = { reading: ['ground'], requestedBy: 'carla', dryRun: false, huntMs: 60_000 }
  await setAside(database, aside)
  await callPutBack(database, { requestedBy: 'carla' })
  const request = {
    file: 'wider.sql',
    text: 'alter table ground alter id type bigint',
    touched: [],
    given: [],
  }
  await alter(database, { ...aside, ...request }, quiet)
  await send(answerDrop, 'POST /views/{view}/drop', { ...toEnd, view: 'base' })
  await send(answerDrop, 'POST /views/{view}/drop', { ...toEnd, view: '"Odd"' })
  await sql.unsafe('create table lonely (id int)')
  await alter(
    database,
    { ...aside, ...request, text: 'alter table lonely add n int', reading: ['lonely'] },
    quiet,
  )
  await setAside(database, aside)
  await callPutBack(database, { forgotten: ['public.base'], requestedBy: 'carla' })
  expect((await told({ view: '"Odd"' })).slice(2)).toEqual([
    'bob cancel',
    'anna retry',
    'carla set-aside public.base,public."Odd"',
    'carla put-back public.base,public."Odd"',
    'carla alter public.base,public."Odd"',
    'anna drop public."Odd"',
  ])
  const last = (await listed({ limit: '5' })).actions.reverse()
  expect(last.map((action) => `${askedOf(action)}: ${textOf(aboutCell(action), new Date())}`)).toEqual([
    'drop, failed: base',
    'drop: "Odd"',
    'alter: no view',
    'set-aside: base',
    'put-back: base',
  ])
  expect((await listed({ action: 'cancel' })).actions[0]).toMatchObject({ batchId, status: 'canceled' })

  await sql.unsafe('create materialized view "order" as select id from lonely')
  await define(sql, 'public.order', { in_all: true })
  await setAside(database, { ...aside, reading: ['lonely'] })
  expect((await told({ view: '"order"' })).at(-1)).toBe('carla set-aside public.order')
})

test('a run that is canceled tells who canceled it, once', async () => {
  await makeGatedView(sql, 'slow')
  await withGateClosed(sql, 'slow', async () => {
    const running = refresh({ view: 'slow' }, callOn(database))
    await untilAtGate(sql, 'slow')
    const [run] = await sql`select id from viewkeeper.runs where view_name = 'slow'`
    const path = { id: String(run?.id) }
    for (const caller of [bob, anna]) await send(api, 'POST /runs/{id}/cancel', { ...toEnd, path, caller })
    await running
    expect((await listed({ view: 'slow', action: 'cancel' })).actions).toMatchObject([
      { requestedBy: bob, runId: run?.id },
    ])
  })
})

test('two people who cancel a batch at once are one cancel', async () => {
  await sql.unsafe('create materialized view wanted as select 1 as id')
  const id = await begin(database, { views: ['wanted'] })
  let cancels: Promise<unknown>[] = []
  await sql.begin(async (holder) => {
    await holder`select from viewkeeper.batches where id = ${id} for update`
    cancels = [anna, bob].map((caller) => send(api, 'POST /batches/{id}/cancel', { caller, path: { id } }))
    await until('both wait for the batch', async () => {
      const waiting = await sql`
        select from pg_stat_activity
         where wait_event_type = 'Lock' and datname = current_database() and query like '%cancel_requested_at%'`
      return waiting.length === 2
    })
  })
  await Promise.all(cancels)
  const canceled = (await listed({ action: 'cancel' })).actions.filter(({ batchId }) => batchId === id)
  expect(canceled).toHaveLength(1)
})

test('the list has pages and a span of time, and ends with the retention', async () => {
  await sql`truncate viewkeeper.actions`
  await sql`
    insert into viewkeeper.actions (action, requested_by, at)
    select 'pause', n::text, now() - make_interval(days => 100 - n) from generate_series(1, 7) n`
  const first = await listed({ limit: '3' })
  const second = await listed({ limit: '10', cursor: first.next as string })
  expect([first, second].map(({ actions }) => actions.map((each) => each.requestedBy))).toEqual([
    ['7', '6', '5'],
    ['4', '3', '2', '1'],
  ])
  expect(second.next).toBeNull()
  const span = { since: first.actions[2]?.at as string, until: first.actions[0]?.at as string }
  expect(await told(span)).toEqual(['5 pause', '6 pause'])
  await prune(database, { successes: 5, days: 96 }, muchLater())
  expect(await told()).toEqual(['5 pause', '6 pause', '7 pause'])
})
