import { expect, test } from 'vitest'
import { textOf } from '../../../cli/output/table.ts'
import { cancelBatch } from '../../../src/batch/end.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { prune } from '../../../src/keeper/jobs.ts'
import { askedOf } from '../../../src/record/plan/action-words.ts'
import { aboutCell } from '../../../src/resources/run-facts.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { alter, setAside } from '../../../src/set-aside/set-aside.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { listActions } from '../../../src/watch/read-views.ts'
import { define, emptyTables, insertRow } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callPutBack } from '../../support/views/alter.ts'
import { begin } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { muchLater, until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

const anna = 'arn:aws:iam::000000000000:user/anna'
const bob = 'arn:aws:sts::000000000000:assumed-role/operator/bob'

const by = (requestedBy: string) => callOn(database, { requestedBy })
const quiet = { onPlan() {}, onWait() {}, onTried() {}, onFill() {} }
type Filter = Partial<Parameters<typeof listActions>[1]>
const listed = (filter: Filter = {}) => listActions(database, { limit: 50, ...filter })
const told = async (filter: Filter = {}) =>
  (await listed(filter)).actions
    .map(({ action, requestedBy, views }) => `${requestedBy.split('/').at(-1)} ${action} ${views}`.trim())
    .reverse()

test('what people do by hand is listed with who, to what and how; nothing else is', async () => {
  await sql.unsafe('create table ground (id int); create materialized view base as select id from ground')
  await sql`create materialized view "Odd" as select id from base`
  for (const name of ['base', 'Odd']) await define(sql, `public.${name}`, { in_all: true })

  await pauseView(database, 'base', true, anna)
  await pauseView(database, 'base', true, bob)
  await refresh({ view: 'base' }, by(anna))
  await refresh({ view: 'base', force: true }, by(anna))
  await pauseView(database, 'base', false, bob)
  await pauseAll(database, true, anna)
  await pauseAll(database, false, bob)
  await refresh({ view: 'base', force: true }, { ...by('nightly'), trigger: 'schedule' })
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
  expect(forced).toMatchObject({ at: run?.requested_at, request: { force: true } })

  const batchId = await begin(database, { views: ['base', '"Odd"'] })
  for (const caller of [bob, anna]) await cancelBatch(batchId, by(caller))
  await startBatch({ retryOf: batchId }, by(anna))
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
  for (const view of ['base', '"Odd"']) await drop({ view }, by(anna))
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
  const last = (await listed({ limit: 5 })).actions.reverse()
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
    for (const caller of [bob, anna]) await cancel(run!.id, by(caller)).catch(() => {})
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
    cancels = [anna, bob].map((caller) => cancelBatch(id, by(caller)))
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
  await emptyTables(sql, 'actions')
  for (const n of [1, 2, 3, 4, 5, 6, 7]) {
    const at = sql`now() - make_interval(days => ${100 - n})`
    await insertRow(sql, 'actions', { action: 'pause', requestedBy: `${n}`, at })
  }
  const first = await listed({ limit: 3 })
  const second = await listed({ limit: 10, before: first.next! })
  expect([first, second].map(({ actions }) => actions.map((each) => each.requestedBy))).toEqual([
    ['7', '6', '5'],
    ['4', '3', '2', '1'],
  ])
  expect(second.next).toBeNull()
  const span = { since: first.actions[2]!.at, until: first.actions[0]!.at }
  expect(await told(span)).toEqual(['5 pause', '6 pause'])
  await prune(database, { successes: 5, days: 96 }, muchLater())
  expect(await told()).toEqual(['5 pause', '6 pause', '7 pause'])
})
