import { beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import type { Message } from '../../../src/record/plan/watch.ts'
import { beginMonitoring } from '../../../src/record/watch/looks.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import type { Notice } from '../../../src/watch/plan/notice.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows, emptyTables, insertRow, updateRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { messagesOf, passTime } from '../../support/views/pass.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { useHistory } from './past.ts'

const { url, database, sql, clear, writePast, expectForLong } = useHistory()

const schedules = unscheduled
const people = { environment: 'production', typed: 'production', links: {} }

const look = (more: object = {}) => monitor(database, { schedules, publish: unheard, people, ...more })
const pass = (time: string) => passTime(sql, time)

/** What people are told, since they were asked last; null: nothing. */
async function tell(): Promise<Message | null> {
  const messages = await messagesOf(sql)
  await deleteRows(sql, 'events')
  expect(messages.length).toBeLessThan(2)
  return messages[0] ?? null
}

const noticeOf = (message: Message | null): Notice =>
  JSON.parse(
    (message!.chat as { metadata: { additionalContext: { notice: string } } }).metadata.additionalContext
      .notice,
  )

/** A refresh of the view fails, and the monitor looks; it has told of nothing in the last minutes. */
async function fails(view: string, ago = '1 minutes'): Promise<void> {
  await writePast([{ view, ago, status: 'failed' }])
  await pass('6 minutes')
  await look()
}
async function becomesStale(view: string): Promise<void> {
  await updateRows(sql, 'definitions', { view }, { maxStalenessSeconds: 60 })
  await expectForLong(view)
}

beforeEach(async () => {
  await clear()
  await emptyTables(sql, 'incidents', 'events')
  await deleteRows(sql, 'switches', { key: ['noted', 'monitored'] })
  await updateRows(sql, 'definitions', {}, { maxStalenessSeconds: null })
  await writePast(['steady', 'shaky', 'quiet', 'fresh'].map((view) => ({ view, ago: '2 hours' })))
})

describe('an incident', () => {
  test('names the failed view and its error, and is told once, before and after the next failure', async () => {
    await fails('steady')
    const message = await tell()
    expect(message?.subject).toBe('public.steady failed, broken [production]')
    expect(message?.text).toMatch(/^Run \d+ of public\.steady failed at .*: broken \(ViewSqlFailed\)/m)
    expect(message?.text).toContain('viewkeeper why public.steady --env production')
    await look()
    await fails('steady')
    expect(await tell()).toBeNull()
    await pass('24 hours')
    await look()
    expect((await tell())?.subject).toBe('reminder: public.steady failed, broken [production]')
  })

  test('has the same words in the mail, its JSON, the event, the list and why', async () => {
    await writePast([{ view: 'steady', ago: '1 minutes', status: 'failed' }])
    await look({ programs: { typed: 'production' } })
    const [event] = await sql`select detail from viewkeeper.events where type = 'IncidentOpened'`
    const { views } = await listViews(database)
    const message = await tell()
    const { causes } = await getWhy(database, 'steady', { schedules, typed: 'production' })
    const { text, next } = causes[0]!
    expect(views.find(({ view }) => view === 'public.steady')?.incident).toMatchObject({
      kinds: ['failing'],
      culprit: 'public.steady',
      text,
      next,
    })
    expect(event?.detail).toMatchObject({ culprit: 'public.steady', cause: { text }, next })
    expect(noticeOf(message).causes).toMatchObject([{ text, next }])
    expect(message?.text).toContain(`${text}\n\n  Next: ${next}\n`)
  })

  test('of a view that fails ends when a proof shows that a refresh would change nothing', async () => {
    await fails('steady', '20 minutes')
    await tell()
    await writePast([{ view: 'steady', ago: '10 seconds', status: 'skipped' }])
    await updateRows(sql, 'runs', { status: 'skipped' }, { asOf: sql`finished_at` })
    await pass('6 minutes')
    await look()
    expect((await tell())?.subject).toBe('OK: public.steady is well again [production]')
  })

  test(
    'of a run that got no lock is what why says: who holds it, and the SQL that ends the session',
    deep,
    async () => {
      await whileLocked(url, 'select from steady', async ({ pid }) => {
        const { runId, error } = await refresh(
          { view: 'steady', strategy: 'regular', timeoutSeconds: 3 },
          callOn(database),
        )
        expect(error?.class).toBe('LockTimeout')
        await look()
        const [cause] = noticeOf(await tell()).causes
        const { causes } = await getWhy(database, 'steady', { schedules, typed: 'production' })
        expect(causes[0]).toMatchObject({
          code: 'Locked',
          next: `select pg_terminate_backend(${pid});`,
          runId,
        })
        expect(cause).toMatchObject({
          ...causes[0],
          view: 'public.steady',
          culprit: `process ${pid}`,
        })
        const [row] = await sql`select culprit, cause ->> 'text' as text from viewkeeper.incidents`
        expect(row).toEqual({ culprit: `process ${pid}`, text: cause?.text })
      })
    },
  )

  test('of a view whose schedule was due says that it was missed, as why does', async () => {
    const schedules = { nightly: { schedule: '* * * * *', timeZone: 'Etc/UTC' }, views: false }
    await becomesStale('steady')
    await look({ schedules })
    const { causes } = await getWhy(database, 'steady', { schedules, typed: 'production' })
    expect(causes[0]?.code).toBe('ScheduleMissed')
    expect(noticeOf(await tell()).causes).toMatchObject([
      {
        code: 'ScheduleMissed',
        text: causes[0]?.text,
        next: causes[0]?.next,
        subjects: [{ subject: 'public.steady' }],
      },
    ])
  })

  test('names the failed run of a stale view, although later runs had nothing to do', async () => {
    await writePast([{ view: 'steady', ago: '20 minutes', status: 'failed' }])
    const [failed] = await sql`select id from viewkeeper.runs where status = 'failed'`
    const beside = { view: 'steady', status: 'skipped' }
    await writePast([{ ...beside, ago: '9 minutes' }])
    const error = { class: 'AlreadyRunning', message: 'in the way' }
    await updateRows(sql, 'runs', { status: 'skipped' }, { error })
    await writePast([
      { ...beside, operation: 'create', ago: '8 minutes' },
      { ...beside, operation: 'drop', status: 'success', ago: '7 minutes' },
    ])
    await becomesStale('steady')
    await look()
    expect(noticeOf(await tell()).causes).toMatchObject([
      { code: 'Failed', view: 'public.steady', runId: failed!.id },
    ])
  })

  test.each([
    ['a view', null, 'public.steady'],
    ['a batch', new Date(), 'batch b-1'],
  ])(
    'says that %s was canceled, of which a skipped view knows only the name',
    async (_, canceledAt, culprit) => {
      await sql.unsafe('create materialized view below as select * from steady')
      await insertRow(sql, 'definitions', { view: 'below' })
      await insertRow(sql, 'batches', { id: 'b-1', status: 'running', cancelRequestedAt: canceledAt })
      await writePast([
        { view: 'steady', status: 'canceled', ago: '2 minutes', batchId: 'b-1' },
        { view: 'below', status: 'skipped', ago: '1 minutes', batchId: 'b-1' },
      ])
      const error = { class: 'UpstreamFailed', message: 'public.steady' }
      await updateRows(sql, 'runs', { status: 'skipped' }, { error })
      await becomesStale('below')
      await look()
      expect(noticeOf(await tell()).causes).toMatchObject([
        { code: 'Canceled', culprit, batchId: 'b-1', subjects: [{ subject: 'public.below' }] },
      ])
      await sql.unsafe('drop materialized view below')
      await clear()
      await deleteRows(sql, 'definitions', { view: 'below' })
    },
  )

  test('of a slow refresh lasts until the next one', async () => {
    await writePast([
      { view: 'quiet', ago: '1 hours', durationMs: 12_000 },
      { view: 'quiet', ago: '5 minutes', durationMs: 90_000 },
    ])
    await look()
    expect((await tell())?.text).toMatch(/^public\.quiet took 90 s; it usually takes \d/m)
    await pass('6 minutes')
    await look()
    expect(await tell()).toBeNull()
    await writePast([{ view: 'quiet', ago: '1 minutes', durationMs: 9_000 }])
    await look()
    expect((await tell())?.subject).toBe('OK: public.quiet is well again [production]')
  })

  test('of a batch is its own failure, not that of its views, until each view has succeeded since', async () => {
    const failed = { status: 'failed', trigger: 'schedule', finishedAt: sql`now()` }
    for (const [id, code] of [
      ['b-1', 'ViewsFailed'],
      ['b-2', 'BatchLost'],
    ] as const)
      await insertRow(sql, 'batches', { ...failed, id, error: { class: code, message: 'gone' } })
    await insertRow(sql, 'batchViews', { batchId: 'b-2', view: 'quiet' })
    await look()
    const message = await tell()
    expect(message?.subject).toBe('batch b-2 failed, nobody advanced the batch [production]')
    expect(message?.text).toContain('Next: viewkeeper retry b-2 --env production')
    await updateRows(sql, 'batches', {}, { finishedAt: sql`now() - interval '1 hours'` })
    await writePast([{ view: 'quiet', ago: '1 minutes' }])
    await pass('6 minutes')
    await look()
    expect((await tell())?.subject).toBe('OK: batch b-2 needs nothing any more [production]')
  })

  test('is not of a refusal that its caller got as the answer', async () => {
    const error = { class: 'UniqueIndexRequired', message: 'no unique index' }
    await writePast([{ view: 'steady', ago: '10 minutes', status: 'failed' }])
    await updateRows(sql, 'runs', { status: 'failed' }, { trigger: 'http', startedAt: null, error })
    await look()
    expect(await tell()).toBeNull()
    await fails('steady')
    expect(noticeOf(await tell()).causes).toMatchObject([{ view: 'public.steady' }])
  })

  test('is of a view that fails, although the failure is older than the first deploy', async () => {
    await writePast([{ view: 'steady', ago: '10 minutes', status: 'failed' }])
    expect(await beginMonitoring(sql)).toBe(true)
    await look()
    expect(noticeOf(await tell()).causes).toMatchObject([{ view: 'public.steady' }])
  })

  test('that nobody could be told of is told when somebody takes messages', async () => {
    await writePast([{ view: 'steady', ago: '10 minutes', status: 'failed' }])
    await look({ people: null })
    expect(await tell()).toBeNull()
    await look()
    expect((await tell())?.subject).toContain('public.steady failed')
  })
})
