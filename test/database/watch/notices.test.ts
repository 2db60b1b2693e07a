import { beforeEach, describe, expect, test } from 'vitest'
import { answerNews, type Message } from '../../../src/api/lambda/news.ts'
import { unscheduled } from '../../../src/batch/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { beginPublishing } from '../../../src/watch/db/looks.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import type { Notice } from '../../../src/watch/plan/notice.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { callOn } from '../../support/servers/database.ts'
import { alarmText } from '../../support/views/notices.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { useHistory, usePublished } from './past.ts'

const { url, database, sql, clear, writePast, expectForLong } = useHistory()
usePublished(url)

type Prepared = { busy: boolean; message: Message | null; token: string }

/** What one sender is answered. Without alarms, the clock asks. */
const prepare = (holder: string, ...alarms: string[]) =>
  answerNews(
    { holder, messages: alarms.map(textOf) },
    { environment: 'production', database, schedules: unscheduled },
  ) as Promise<Prepared>
/** What CloudWatch publishes of `stale-views`, or of its end: `stale-views OK`. */
function textOf(alarm: string): string {
  const [name, state = 'ALARM'] = alarm.split(' ')
  return alarmText(name!, { at: new Date(), state })
}
const confirm = (token: string) =>
  answerNews(
    { confirmed: token },
    { environment: 'production', database, schedules: unscheduled },
  ) as Promise<{ noted: boolean }>

let senders = 0

/** What people are told: a sender asks, publishes and confirms. */
async function tell(...alarms: string[]): Promise<Message | null> {
  const { busy, message, token } = await prepare(`sender-${++senders}`, ...alarms)
  expect(busy).toBe(false)
  if (message !== null) expect(await confirm(token)).toEqual({ noted: true })
  return message
}

const noticeOf = (message: Message | null): Notice =>
  JSON.parse(
    (message!.chat as { metadata: { additionalContext: { notice: string } } }).metadata.additionalContext
      .notice,
  )

const look = () => monitor(database, { schedules: unscheduled, publish: unheard })
/** As if the monitor had seen and told all of it, and notices too, this much earlier. */
const pass = (time: string) =>
  sql`update viewkeeper.troubles set told_at = told_at - ${time}::interval, began_at = began_at - ${time}::interval,
             over_at = over_at - ${time}::interval, noticed_at = noticed_at - ${time}::interval`
/** A refresh of the view fails, and the monitor looks; it has told of nothing in the last minutes. */
async function fails(view: string, ago = '1 minutes'): Promise<void> {
  await writePast([{ view, ago, status: 'failed' }])
  await pass('6 minutes')
  await look()
}
const isFresh = (view: string) =>
  sql`update viewkeeper.definitions set max_staleness_seconds = null where name = ${view}`
async function becomesStale(view: string): Promise<void> {
  await sql`update viewkeeper.definitions set max_staleness_seconds = 60 where name = ${view}`
  await expectForLong(view)
}

beforeEach(async () => {
  await clear()
  await sql`truncate viewkeeper.troubles`
  await sql`delete from viewkeeper.switches where key in ('notice', 'monitored')`
  await sql`update viewkeeper.definitions set max_staleness_seconds = null`
  await writePast(['steady', 'shaky', 'quiet', 'fresh'].map((view) => ({ view, ago: '2 hours' })))
})

describe('a notice', () => {
  test('names the failed view and its error, and is told once', async () => {
    await fails('steady')
    const message = await tell('failed-runs')
    expect(message?.subject).toBe('[production] public.steady failed (ViewSqlFailed)')
    expect(message?.text).toMatch(
      /^Run \d+ of public\.steady failed at .* UTC: broken \(ViewSqlFailed\)\. Readers still see/m,
    )
    expect(message?.text).toContain('viewkeeper why public.steady --env production')
    // The alarm of the same minute, which comes second.
    expect(await tell('failed-runs')).toBeNull()
    expect(await tell()).toBeNull()
  })

  test('of a pause without an end is told after a week, and again each week, until the pause ends', async () => {
    await sql`update viewkeeper.definitions set paused_at = now() - interval '6 days' where name = 'steady'`
    const lookLater = async (time: string) => {
      await pass(time)
      await look()
      await pass('6 minutes')
      return tell()
    }
    expect(await lookLater('1 days')).toBeNull()
    await sql`update viewkeeper.definitions set paused_at = now() - interval '8 days' where name = 'steady'`
    const message = await lookLater('1 days')
    expect(message?.subject).toBe(
      '[production] public.steady is paused without an end: public.steady is paused',
    )
    expect(message?.text).toContain('viewkeeper resume public.steady --env production')
    expect(await lookLater('6 days')).toBeNull()
    expect((await lookLater('1 days'))?.subject).toBe(
      '[production] reminder: public.steady is still paused without an end: public.steady is paused',
    )
    await pauseView(database, 'steady', false, 'test')
    expect((await lookLater('1 minutes'))?.subject).toBe(
      '[production] OK: no view is paused without an end any more',
    )
  })

  test('of views that fail has their end, once, when none fails any more', async () => {
    await fails('steady', '30 minutes')
    await fails('shaky', '30 minutes')
    expect((await tell('failed-runs'))?.subject).toBe(
      '[production] public.shaky failed (ViewSqlFailed), public.steady failed (ViewSqlFailed)',
    )
    const succeeds = async (view: string, ago: string) => {
      await writePast([{ view, ago }])
      await look()
      await pass('6 minutes')
    }
    await succeeds('steady', '20 seconds')
    expect(await tell()).toBeNull()
    await succeeds('shaky', '20 seconds')
    const message = await tell()
    expect(message?.subject).toBe('[production] OK: no view is failing any more')
    expect(noticeOf(message)).toMatchObject({
      kind: 'over',
      over: [
        { view: 'public.shaky', trouble: 'failing' },
        { view: 'public.steady', trouble: 'failing' },
      ],
    })
    expect(await tell()).toBeNull()
    await fails('steady', '10 seconds')
    expect((await tell('failed-runs'))?.subject).toContain('public.steady failed')
    await succeeds('steady', '1 seconds')
    expect((await tell())?.subject).toBe('[production] OK: no view is failing any more')
  })

  test('of a view that fails has its end when a proof shows that a refresh would change nothing, also before it was told', async () => {
    const proves = async (view: string) => {
      await writePast([{ view, ago: '10 seconds', status: 'skipped' }])
      await sql`update viewkeeper.runs set as_of = finished_at where view_name = ${view} and status = 'skipped'`
    }
    await fails('steady', '20 minutes')
    await tell('failed-runs')
    await proves('steady')
    await look()
    await pass('6 minutes')
    expect((await tell())?.subject).toBe('[production] OK: no view is failing any more')
    expect(await tell()).toBeNull()
    await fails('shaky')
    await proves('shaky')
    expect(noticeOf(await tell('failed-runs')).causes).toMatchObject([{ view: 'public.shaky', mend: null }])
  })

  test('of a run that got no lock says what why says: who holds it, and the SQL that ends the session', async () => {
    await whileLocked(url, 'select from steady', async ({ pid }) => {
      const { runId, error } = await refresh(
        { view: 'steady', strategy: 'regular', timeoutSeconds: 2 },
        callOn(database),
      )
      expect(error?.class).toBe('LockTimeout')
      await look()
      const [cause] = noticeOf(await tell('failed-runs')).causes
      const { causes } = await getWhy(database, 'steady', {
        schedules: unscheduled,
        environment: 'production',
      })
      expect(causes[0]).toMatchObject({ code: 'Locked', next: `select pg_terminate_backend(${pid});`, runId })
      expect(cause).toMatchObject({ code: 'Locked', view: 'public.steady', next: causes[0]?.next, runId })
    })
  })

  test('of a view whose schedule was due says that it was missed, as why does', async () => {
    const schedules = { nightly: { schedule: '* * * * *', timeZone: 'Etc/UTC' }, views: false }
    await becomesStale('steady')
    await look()
    const answer = await answerNews(
      { holder: 'sender', messages: [alarmText('stale-views', { at: new Date() })] },
      { environment: 'production', database, schedules },
    )
    const { causes } = await getWhy(database, 'steady', { schedules, environment: 'production' })
    expect(causes[0]?.code).toBe('ScheduleMissed')
    expect(noticeOf((answer as Prepared).message).causes).toMatchObject([
      { code: 'ScheduleMissed', views: [{ view: 'public.steady' }] },
    ])
    await confirm((answer as Prepared).token)
  })

  test('of ten views that are stale because one failed is one cause, the failed view first', async () => {
    const names = Array.from({ length: 9 }, (_, at) => `reader_${at}`)
    for (const name of names) {
      await sql.unsafe(`create materialized view ${name} as select * from steady`)
      await sql`insert into viewkeeper.definitions (schema_name, name, source) values ('public', ${name}, 'discovered')`
    }
    await fails('steady')
    for (const name of ['steady', ...names]) await becomesStale(name)
    await look()
    const message = await tell('stale-views')
    expect(message?.subject).toBe('[production] 10 views are stale: public.steady failed (ViewSqlFailed)')
    const { causes } = noticeOf(message)
    expect(causes.map(({ view, views }) => [view, views[0]?.view, views.length])).toEqual([
      ['public.steady', 'public.steady', 11], // it fails, and it is stale
    ])
    for (const name of names) await sql.unsafe(`drop materialized view ${name}`)
    await sql`delete from viewkeeper.definitions where name = any(${names})`
  })

  test('tells each newly stale view, reminds of all, and says when it is over', async () => {
    await becomesStale('steady')
    await look()
    expect((await tell('stale-views'))?.subject).toBe('[production] public.steady is stale')
    await pass('1 hours')
    await becomesStale('shaky')
    await look()
    // The alarm lasts, so the clock asks, and leaves the first minutes to alarms.
    expect(await tell()).toBeNull()
    await pass('6 minutes')
    expect((await tell())?.subject).toBe('[production] public.shaky is stale')
    await pass('25 hours')
    await look()
    await pass('6 minutes')
    const reminder = await tell()
    expect(reminder?.subject).toBe('[production] reminder: 2 views are still stale')
    expect(await tell()).toBeNull()
    await isFresh('steady')
    await look()
    // Nothing is over as long as a view is stale.
    expect(await tell()).toBeNull()
    await isFresh('shaky')
    await look()
    const over = await tell('stale-views OK')
    expect(over?.subject).toBe('[production] OK: no view is stale any more')
    expect(noticeOf(over).over.map(({ view }) => view)).toEqual(['public.shaky', 'public.steady'])
    expect(over?.text).toMatch(/public\.steady was stale for 26 h, until/)
    await pass('1 hours')
    await becomesStale('steady')
    await look()
    expect((await tell('stale-views'))?.subject).toBe('[production] public.steady is stale')
  })

  test('names the failed run of a stale view, although later runs had nothing to do', async () => {
    await fails('steady', '20 minutes')
    await tell('failed-runs')
    const [failed] = await sql`select id from viewkeeper.runs where status = 'failed'`
    const beside = { view: 'steady', status: 'skipped' }
    await writePast([{ ...beside, ago: '9 minutes' }])
    await sql`
      update viewkeeper.runs set error = '{"class":"AlreadyRunning","message":"in the way"}'
       where status = 'skipped'`
    await writePast([
      { ...beside, operation: 'create', ago: '8 minutes' },
      { ...beside, operation: 'drop', status: 'success', ago: '7 minutes' },
    ])
    await becomesStale('steady')
    await look()
    const { causes } = noticeOf(await tell('stale-views'))
    expect(causes).toMatchObject([{ code: 'Failed', view: 'public.steady', runId: failed!.id }])
  })

  test.each([
    ['a view', null],
    ['a batch', new Date()],
  ])('says that %s was canceled, of which a skipped view knows only the name', async (what, canceledAt) => {
    await sql.unsafe('create materialized view below as select * from steady')
    await sql`insert into viewkeeper.definitions (schema_name, name, source) values ('public', 'below', 'discovered')`
    await sql`
      insert into viewkeeper.batches (id, status, trigger, requested_by, selection, cancel_requested_at)
      values ('b-1', 'running', 'http', 'ann', '{}', ${canceledAt})`
    await writePast([
      { view: 'steady', status: 'canceled', ago: '2 minutes', batchId: 'b-1' },
      { view: 'below', status: 'skipped', ago: '1 minutes', batchId: 'b-1' },
    ])
    await sql`
      update viewkeeper.runs set error = '{"class":"UpstreamFailed","message":"public.steady"}'
       where status = 'skipped'`
    await becomesStale('below')
    await look()
    const view = what === 'a view' ? 'public.steady' : null
    expect(noticeOf(await tell('stale-views')).causes).toMatchObject([
      { code: 'Canceled', view, batchId: 'b-1', views: [{ view: 'public.below' }] },
    ])
    await sql.unsafe('drop materialized view below')
    await clear()
    await sql`delete from viewkeeper.definitions where name = 'below'`
  })

  test('tells of a slow refresh once', async () => {
    await writePast([
      { view: 'quiet', ago: '1 hours', durationMs: 12_000 },
      { view: 'quiet', ago: '5 minutes', durationMs: 90_000 },
    ])
    expect(noticeOf(await tell('slow-runs')).causes).toMatchObject([{ code: 'Slow', view: 'public.quiet' }])
    expect(await tell('slow-runs')).toBeNull()
  })

  test('of a failed batch comes by itself while no monitor has seen that its view fails', async () => {
    const batch = (id: string) => sql`
      insert into viewkeeper.batches (id, status, trigger, requested_by, selection, requested_at, finished_at, error)
      values (${id}, 'failed', 'schedule', 'ann', '{}', now(), now(), '{"class":"ViewsFailed","message":"1 view was not refreshed"}')`
    await batch('b-1')
    await writePast([{ view: 'steady', ago: '1 minutes', status: 'failed', batchId: 'b-1' }])
    expect((await tell('failed-batches'))?.subject).toBe('[production] batch b-1 failed (ViewsFailed)')
    await look()
    await tell('failed-runs')
    await batch('b-2')
    await writePast([{ view: 'steady', ago: '1 seconds', status: 'failed', batchId: 'b-2' }])
    expect(await tell('failed-batches')).toBeNull()
  })

  test('is told by the clock if no alarm has told it', async () => {
    await fails('steady')
    expect(await tell()).toBeNull()
    await fails('shaky')
    const { causes } = noticeOf(await tell())
    expect(causes.map(({ view }) => view).sort()).toEqual(['public.shaky', 'public.steady'])
  })
})

describe('a view that fails', () => {
  test('is told once however often it fails, and a reminder names it again', async () => {
    await fails('steady')
    await tell('failed-runs')
    await fails('steady')
    expect(await tell()).toBeNull()
    await pass('24 hours')
    await look()
    await pass('6 minutes')
    expect((await tell())?.subject).toBe('[production] reminder: public.steady failed (ViewSqlFailed)')
  })

  test('is told again if it succeeded in between, also by a run that was requested earlier', async () => {
    await writePast([{ view: 'steady', ago: '6 minutes' }])
    await fails('steady', '10 minutes')
    expect(await tell('failed-runs')).not.toBeNull()
    await writePast([{ view: 'steady', ago: '5 minutes' }])
    await look()
    await fails('steady')
    expect((await tell('failed-runs'))?.subject).toContain('public.steady failed')
  })

  test('is not told for a refusal that its caller got as the answer', async () => {
    const noIndex = sql.json({ class: 'UniqueIndexRequired', message: 'no unique index' })
    await writePast([{ view: 'steady', ago: '10 minutes', status: 'failed' }])
    await sql`
      update viewkeeper.runs set trigger = 'http', started_at = null, error = ${noIndex}
       where status = 'failed'`
    await look()
    expect((await tell('failed-runs'))?.subject).toBe('[production] failed-runs: Something happened.')
    await fails('steady')
    expect(noticeOf(await tell('failed-runs')).causes).toMatchObject([{ view: 'public.steady' }])
  })

  test('is told although the failure is older than the first deploy: it fails', async () => {
    await writePast([{ view: 'steady', ago: '10 minutes', status: 'failed' }])
    expect(await beginPublishing(sql)).toBe(true)
    await look()
    expect(noticeOf(await tell('failed-runs')).causes).toMatchObject([{ view: 'public.steady' }])
  })
})

describe('a sender', () => {
  beforeEach(() => fails('steady'))
  const isAboutSteady = (message: Message | null) =>
    expect(noticeOf(message).causes).toMatchObject([{ view: 'public.steady' }])
  const leaseEnds = () =>
    sql`update viewkeeper.switches set value = value || '{"until":"-infinity"}' where key = 'notice'`

  test('keeps another waiting until it confirms; the other then has nothing to tell', async () => {
    const both = await Promise.all(['one', 'two'].map((holder) => prepare(holder, 'failed-runs')))
    const [first] = both.filter(({ busy }) => !busy)
    expect(both.map(({ busy }) => busy).sort()).toEqual([false, true])
    isAboutSteady(first!.message)
    const waiting = both[0] === first ? 'two' : 'one'
    expect(await prepare(waiting, 'failed-runs')).toEqual({ busy: true })
    await confirm(first!.token)
    expect(await prepare(waiting, 'failed-runs')).toEqual({ busy: false, message: null })
  })

  test('that dies before it publishes: its own retry tells at once, and another when its time is over', async () => {
    isAboutSteady((await prepare('one', 'failed-runs')).message)
    isAboutSteady((await prepare('one', 'failed-runs')).message)
    expect(await prepare('two', 'failed-runs')).toEqual({ busy: true })
    await leaseEnds()
    isAboutSteady((await prepare('two', 'failed-runs')).message)
  })

  test('that dies after it has published: the same is told again, and once', async () => {
    await prepare('one', 'failed-runs')
    await leaseEnds()
    isAboutSteady(await tell('failed-runs'))
    expect(await tell('failed-runs')).toBeNull()
  })

  test('that was too slow marks nothing: the next one has told it', async () => {
    const slow = await prepare('one', 'failed-runs')
    await leaseEnds()
    const next = await prepare('two', 'failed-runs')
    expect(await confirm(slow.token)).toEqual({ noted: false })
    expect(await confirm(next.token)).toEqual({ noted: true })
    expect(await confirm(next.token)).toEqual({ noted: false })
    expect(await tell('failed-runs')).toBeNull()
  })

  test('that asked twice confirms only the last answer, which was told', async () => {
    const lost = await prepare('one', 'failed-runs')
    const received = await prepare('one', 'failed-runs')
    expect(await confirm(lost.token)).toEqual({ noted: false })
    expect(await confirm(received.token)).toEqual({ noted: true })
  })

  test('confirms only the slow refreshes that it has told: one that ends meanwhile is told next', async () => {
    const isSlow = (view: string) => writePast([{ view, ago: '90 seconds', durationMs: 90_000 }])
    await isSlow('quiet')
    const { message, token } = await prepare('one', 'slow-runs')
    expect(noticeOf(message).causes).toMatchObject([{ view: 'public.steady' }, { view: 'public.quiet' }])
    await isSlow('shaky')
    await confirm(token)
    expect(noticeOf(await tell('slow-runs')).causes).toMatchObject([{ code: 'Slow', view: 'public.shaky' }])
    expect(await tell('slow-runs')).toBeNull()
  })

  test('confirms only what it has told: what happens meanwhile is told next', async () => {
    await becomesStale('quiet')
    await look()
    const { token } = await prepare('one', 'failed-runs')
    await fails('shaky')
    await isFresh('quiet')
    await look()
    await confirm(token)
    const { causes, over } = noticeOf(await tell('failed-runs'))
    expect(causes.map(({ view }) => view)).toEqual(['public.shaky'])
    expect(over.map(({ view }) => view)).toEqual(['public.quiet'])
  })
})
