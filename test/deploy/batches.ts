import assert from 'node:assert/strict'
import { scheduleName } from '../../infra/schedules/schedules.ts'
import { age } from '../support/record/past.ts'
import type { Deployed } from './support/deployed.ts'
import { root } from './support/emulator/aws.ts'
import { views } from './support/project/batch-views.ts'
import { poll, stage } from './support/transcript.ts'
import { batchPolicy } from './test-environment.ts'

/** The schedule of the view that is refreshed each minute (batch-views.ts). */
const everyMinute = scheduleName({ schedule: '* * * * *', timeZone: 'Europe/Berlin' })

interface Batch {
  id: string
  status: string
  trigger: string
  requestedBy: string
  error: { class: string; message: string } | null
  views: {
    view: string
    status: string
    includedBecause: string | null
    runs: { startedAt: string; finishedAt: string }[]
  }[]
}

/** Waits for the batch of the latest deploy, and insists that no other deploy started one. */
export const findBatchOfDeploy = ({ api, sql }: Deployed, count: number): Promise<unknown> =>
  stage('the deploy refreshes every view', async () => {
    const batches = await poll('a batch by the deploy', async () => {
      const found = await sql`select id from viewkeeper.batches where trigger = 'deploy' order by serial`
      return found.length >= count ? found : undefined
    })
    assert.equal(batches.length, count)
    const { status, error } = await ended(api, batches.at(-1)!.id)
    assert.deepEqual({ status, error }, { status: 'success', error: null })
  })

/** Refreshes all views as somebody who may start batches and nothing else. */
export async function refreshAllByHttp({ api, aws, machineArn }: Deployed): Promise<void> {
  const caller = await aws.createUser('orchestrator', batchPolicy(api.id))
  const post = () =>
    api.call('POST', '/batches', caller, { 'Idempotency-Key': 'load-1' }, { all: true, concurrency: 3 })
  const id = await stage('POST /batches, signed', async () => {
    assert.equal((await api.call('POST', '/batches')).status, 403)
    const { status, body } = await post()
    assert.equal(status, 202, body)
    return JSON.parse(body).batchId as string
  })
  await stage(
    '… refreshes every view, each after what it reads, and exchanges them at one moment',
    async () => {
      const batch = await ended(api, id, caller)
      assert.equal(batch.status, 'success')
      const names = batch.views.map(({ view, status }) => `${view} ${status}`)
      const expected = ['public.sales', views.reader, views.read, 'reports.yearly_sales']
      assert.deepEqual(
        names.sort(),
        expected.map((view) => `${view} success`),
      )
      const run = (name: string) => batch.views.find(({ view }) => view === name)!.runs[0]!
      assert.ok(Date.parse(run(views.reader).startedAt) >= Date.parse(run(views.read).startedAt))
      assert.equal(run(views.reader).finishedAt, run(views.read).finishedAt)
      return batch
    },
    ({ id, views: { length } }) => `${id}, ${length} views`,
  )
  await stage('… by an execution of the state machine, which succeeded', async () => {
    const execution = await executed({ aws, machineArn }, id)
    assert.deepEqual([execution.status, execution.input], ['SUCCEEDED', JSON.stringify({ batchId: id })])
  })
  await stage('the same request with the same key is the same batch', async () => {
    const { status, body } = await post()
    assert.equal(status, 200, body)
    assert.equal(JSON.parse(body).batchId, id)
  })
  await stage('its caller may do nothing else', async () => {
    assert.equal((await api.call('POST', `/batches/${id}/cancel`, caller)).status, 403)
    assert.equal((await api.call('POST', '/pause', caller)).status, 403)
  })
}

/** Has a view fail, which nobody has authored, and takes it away again. */
export async function failBatch({ api, aws, sql, machineArn }: Deployed): Promise<void> {
  await sql.unsafe(`
    create table public.divisor as select 1 as value;
    create materialized view public.share as select 100 / value as percent from public.divisor;
    alter table public.divisor owner to owner_of_sales;
    alter materialized view public.share owner to owner_of_sales;
    update public.divisor set value = 0;`)
  const fail = async () => {
    const request = { views: ['public.share', 'public.sales'], retries: 0 }
    const { status, body } = await api.call('POST', '/batches', root, {}, request)
    assert.equal(status, 202, body)
    const { id, ...batch } = await ended(api, JSON.parse(body).batchId)
    assert.deepEqual([batch.status, batch.error?.class], ['failed', 'ViewsFailed'])
    const execution = await executed({ aws, machineArn }, id)
    assert.deepEqual(
      [execution.status, execution.error, execution.cause],
      ['FAILED', 'ViewsFailed', batch.error!.message],
    )
    return batch.error!.message
  }
  await stage('a view that fails makes batch and execution fail', fail, (message) => message)
  await sql.unsafe('drop materialized view public.share; drop table public.divisor')
}

/** Pauses everything during `work`, and delivers the event of the schedule meanwhile. */
export async function whilePaused(
  { api, aws, sql }: Deployed,
  peopleAsk: () => Promise<void>,
): Promise<void> {
  const post = async (path: string) => assert.equal((await api.call('POST', path, root)).status, 200)
  await stage('POST /pause', () => post('/pause'))
  await aws.deliverAgain('deploy-test', everyMinute)
  await peopleAsk()
  await stage("the schedule's batch is skipped, because everything is paused", () =>
    poll('a batch by the schedule', async () => {
      const [batch] = await sql`
        select error ->> 'class' as class, requested_by as by from viewkeeper.batches
         where trigger = 'schedule' and status = 'skipped'`
      if (batch) assert.deepEqual({ ...batch }, { class: 'Paused', by: everyMinute })
      return batch
    }),
  )
  await stage('POST /resume', () => post('/resume'))
}

export const findBatchOfSchedule = ({ api, aws, sql }: Deployed): Promise<unknown> =>
  stage("the view's own schedule refreshes it, and what reads it", async () => {
    const names = await aws.listSchedules('deploy-test')
    assert.deepEqual(names.toSorted(), [everyMinute, 'prune', 'send'].toSorted())
    const id = await poll('a batch by the schedule', async () => {
      const [found] = await sql`
        select id from viewkeeper.batches
         where trigger = 'schedule' and status = 'success'
           and serial > (select max(serial) from viewkeeper.batches where status = 'skipped' and error ->> 'class' = 'Paused')
         order by serial limit 1`
      return found?.id as string | undefined
    })
    const batch = await ended(api, id)
    // The view has no unique index, so the view that reads it comes along.
    assert.deepEqual(
      batch.views
        .map(({ view, status, includedBecause }) => [view, status, includedBecause !== null])
        .toSorted(),
      [
        [views.reader, 'success', true],
        [views.read, 'success', false],
      ],
    )
  })

/** Lets the data of the view with a target lag become 59 minutes old, and the monitor look. */
export const findRefreshInTime = ({ api, aws, sql, functions }: Deployed): Promise<unknown> =>
  stage(
    'a look of the monitor has the view with a target lag of an hour refreshed before the hour is over',
    async () => {
      await sql`insert into public.sale values ('2027-02-01', 1)`
      const [row] = await sql<[{ by: string }]>`
        select (interval '59 minutes' - latest.staleness)::text as by
          from viewkeeper.latest_runs latest join viewkeeper.definitions d on d.id = latest.definition_id
         where d.name = 'daily_sales'`
      await age(sql, row.by, 'daily_sales')
      await aws.invoke(functions.send)
      const id = await poll('a batch for the target lag', async () => {
        const [found] = await sql`
        select b.id from viewkeeper.batches b join viewkeeper.runs r on r.batch_id = b.id
         where b.trigger = 'schedule' and r.view_name = 'daily_sales' and r.status = 'success'
           and exists (select from reports.daily_sales where day = '2027-02-01')
         order by b.serial desc limit 1`
        return found?.id as string | undefined
      })
      return ended(api, id)
    },
  )

/** The batch once it has ended. */
const ended = (api: Deployed['api'], id: string, as = root): Promise<Batch> =>
  poll(`the end of batch ${id}`, async () => {
    const { status, body } = await api.call('GET', `/batches/${id}`, as)
    assert.equal(status, 200, body)
    const batch: Batch = JSON.parse(body)
    return ['pending', 'running'].includes(batch.status) ? undefined : batch
  })

/** The execution of a batch once it has ended; it ends a moment after the batch. */
const executed = ({ aws, machineArn }: Pick<Deployed, 'aws' | 'machineArn'>, id: string) =>
  poll(`the end of the execution ${id}`, async () => {
    const execution = await aws.describeExecution(machineArn, id)
    return execution.status === 'RUNNING' ? undefined : execution
  })
