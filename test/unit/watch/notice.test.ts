import { describe, expect, test } from 'vitest'
import type { PlannedNotice } from '../../../src/watch/plan/notice-plan.ts'
import {
  alarm,
  byName,
  divided,
  ended,
  failedBatch,
  failing,
  hoursAgo,
  now,
  plan,
  salesFailed,
  told,
  upstream,
  view,
} from '../../support/views/notices.ts'

const salesFails = told('public.sales', { trouble: 'failing' })

/** The causes of a notice, each with the views below it. */
const causesOf = ({ notice }: PlannedNotice) =>
  (notice?.causes ?? []).map(({ code, view, views, behind }) => ({
    code,
    view,
    views: views.map((each) => each.view),
    behind,
  }))

describe('one cause is told once', () => {
  test('a view below a failed view becomes stale later: it was named already', () => {
    const known = told('public.sales', { known: true, isNews: false, hours: 1 })
    const facts = { ...salesFailed(), told: [known, told('public.top_customers')] }
    const planned = plan(facts, alarm('stale-views'))
    expect(planned.notice).toBeNull()
    expect(planned.covered).toMatchObject({ told: [{ name: 'public.top_customers' }], kinds: ['stale'] })
  })

  test('a view that is stale for another reason is told, also if others are stale already', () => {
    const known = told('public.sales', { known: true, isNews: false, hours: 1 })
    const facts = salesFailed()
    facts.views.set('public.flights', view('public.flights', { hours: 30 }))
    const planned = plan({ ...facts, told: [known, told('public.flights')] }, alarm('stale-views'))
    expect(causesOf(planned)).toEqual([
      { code: 'NotYetDue', view: null, views: ['public.flights'], behind: [] },
    ])
    expect(planned.notice?.inAll.stale).toBe(2)
  })

  test('everything is paused: the first stale view tells that, the next ones only a reminder', () => {
    const views = byName(view('public.a', { hours: 30 }), view('public.b', { hours: 30 }))
    const pause = { since: hoursAgo(40), by: 'ann' }
    const first = plan({ views, pause, told: [told('public.a')] }, alarm('stale-views'))
    expect(causesOf(first)).toMatchObject([{ code: 'AllPaused', views: ['public.a'] }])
    const known = told('public.a', { known: true, isNews: false, hours: 1 })
    expect(plan({ views, pause, told: [known, told('public.b')] }, alarm('stale-views')).notice).toBeNull()
    const again = (name: string) => told(name, { known: true, beganAt: hoursAgo(24) })
    const reminder = plan(
      { views, pause, told: [again('public.a'), again('public.b')] },
      alarm('stale-views'),
    )
    expect(reminder.notice?.kind).toBe('reminder')
    expect(causesOf(reminder)).toMatchObject([{ views: ['public.a', 'public.b'] }])
  })

  test('everything is paused, and a view without a schedule is stale: the pause is not its cause', () => {
    const views = byName(
      view('public.a', { hours: 30 }),
      view('public.alone', { hours: 30, scheduled: false }),
    )
    const pause = { since: hoursAgo(40), by: 'ann' }
    const planned = plan(
      { views, pause, told: [told('public.a'), told('public.alone')] },
      alarm('stale-views'),
    )
    expect(causesOf(planned)).toMatchObject([
      { code: 'AllPaused', views: ['public.a'] },
      { code: 'NotScheduled', views: ['public.alone'] },
    ])
    // A success after the pause began does not end the pause.
    expect(planned.notice?.causes[0]).toMatchObject({
      next: 'viewkeeper resume --all --env production',
      mendedAt: null,
    })
  })

  test('a reminder stays one if the batch of a view that fails failed, too', () => {
    const reminds = told('public.sales', { known: true, beganAt: hoursAgo(24) })
    const facts = { ...salesFailed(), told: [reminds] }
    expect(plan({ ...facts, batches: [failedBatch()] }, alarm('stale-views')).notice?.kind).toBe('reminder')
    const flightsFail = told('public.flights', { trouble: 'failing' })
    expect(plan({ ...facts, told: [reminds, flightsFail] }, alarm('stale-views')).notice?.kind).toBe('news')
    expect(
      plan({ ...facts, batches: [failedBatch({ hasFailingView: false })] }, alarm('stale-views')).notice
        ?.kind,
    ).toBe('news')
  })
})

describe('what the cause is', () => {
  const causeOf = (facts: Parameters<typeof plan>[0], name = 'public.sales') =>
    plan({ ...facts, told: [told(name)] }, alarm('stale-views')).notice?.causes[0]

  test.each([
    ['Failed', ended('failed', { error: { class: 'RunLost', message: 'gone', sqlstate: null } }), null],
    ['Canceled', ended('canceled'), null],
    ['InProgress', ended('success', { hours: 30 }), { status: 'running' as const, notBefore: null }],
    ['InProgress', ended('success', { hours: 30 }), { status: 'pending' as const, notBefore: null }],
    ['NotYetDue', ended('success', { hours: 30 }), null],
    ['NotYetDue', null, null],
  ])('%s', (code, last, open) => {
    const views = byName(view('public.sales', { hours: 30, last, open }))
    expect(causeOf({ views })).toMatchObject({ code })
  })

  test('a missing view, also above the view that is told', () => {
    const views = byName(
      view('public.sales', { missing: true, hours: 30 }),
      view('public.top', { hours: 30, last: ended('skipped', { error: upstream }) }),
    )
    const reads = new Map([['public.top', ['public.sales']]])
    expect(causeOf({ views, reads }, 'public.top')).toMatchObject({
      code: 'Missing',
      view: 'public.sales',
      next: 'viewkeeper migrate up --repair --env production',
    })
  })

  test('of views that nothing refreshes, what to type for all of them', () => {
    const typed = (count: number, open: 'running' | null = null) => {
      const names = Array.from({ length: count }, (_, at) => `public.v${at}`)
      const running = open === null ? null : { status: open, notBefore: null }
      const views = byName(...names.map((name) => view(name, { hours: 30, open: running })))
      const planned = plan({ views, told: names.map((name) => told(name)) }, alarm('stale-views'))
      return planned.notice?.causes.map(({ look, mend }) => [look, mend])
    }
    const why = ['viewkeeper why public.v0 --env production']
    const list = ['viewkeeper ls --stale --env production']
    expect(typed(1)).toEqual([[why, 'viewkeeper refresh public.v0 --env production']])
    expect(typed(2)).toEqual([[list, 'viewkeeper refresh public.v0 public.v1 --env production']])
    expect(typed(21)).toEqual([[list, null]])
    expect(typed(1, 'running')).toEqual([[why, null]])
  })

  test('a failed view that succeeded when it was tried again says so, and nothing waits for it', () => {
    const facts = salesFailed(3)
    const last = ended('failed', { error: divided })
    facts.views.set('public.sales', view('public.sales', { hours: 0.01, last }))
    const [cause] = plan({ ...facts, told: [salesFails] }, alarm('failed-runs')).notice!.causes
    expect(cause).toMatchObject({ mendedAt: hoursAgo(0.01), mend: null, behind: [] })
  })

  test('a batch that was lost, and one that was canceled', () => {
    const lost = failedBatch({ id: 'a', error: { class: 'BatchLost', message: 'nobody', sqlstate: null } })
    const canceled = failedBatch({
      id: 'b',
      status: 'canceled',
      hasFailingView: false,
      error: { class: 'Canceled', message: 'somebody', sqlstate: null },
    })
    const planned = plan({ batches: [lost, canceled] }, alarm('failed-batches'))
    expect(causesOf(planned).map(({ code }) => code)).toEqual(['Canceled', 'Failed'])
  })

  test('views in a circle end the search', () => {
    const last = ended('skipped', { error: upstream })
    const views = byName(view('public.a', { hours: 30, last }), view('public.b', { hours: 30, last }))
    const reads = new Map([
      ['public.a', ['public.b']],
      ['public.b', ['public.a']],
    ])
    expect(causeOf({ views, reads }, 'public.a')).toMatchObject({ code: 'Skipped' })
  })
})

describe('silence has to be justified', () => {
  test.each([
    'failed-runs',
    'slow-runs',
    'lost-batches',
    'failed-batches',
    'stale-views',
    'missing-views',
    'lag-missed',
    'suspended-views',
    'set-aside-views',
  ])('alarm %s without anything new is told in its own words', (name) => {
    const { notice } = plan({}, alarm(name))
    expect(notice).toMatchObject({ kind: 'alarm', alarms: [{ name, happened: 'Something happened.' }] })
  })

  test('an alarm is explained by a notice of its kind since the alarm began, and by no older one', () => {
    expect(plan({ covered: { failing: hoursAgo(0.1) } }, alarm('failed-runs')).notice).toBeNull()
    expect(plan({ covered: { failing: hoursAgo(1) } }, alarm('failed-runs')).notice).not.toBeNull()
    expect(plan({ covered: { stale: hoursAgo(0.1) } }, alarm('failed-runs')).notice).not.toBeNull()
  })

  test('a suspended view explains the alarm of suspended views', () => {
    const suspended = { failures: 5, until: hoursAgo(-1) }
    const views = byName(view('public.a', { suspended }))
    const { notice, covered } = plan(
      { views, told: [told('public.a', { trouble: 'suspended' })] },
      alarm('suspended-views'),
    )
    expect(notice).toMatchObject({ kind: 'news', causes: [{ code: 'Suspended' }], alarms: [] })
    expect(covered.kinds).toEqual(['suspended'])
  })

  test('one batch explains one alarm: an execution can fail without a batch on record', () => {
    const covered = { batches: hoursAgo(0.1) }
    const later = plan({ covered }, alarm('failed-batches'))
    expect(later.notice).toBeNull()
    expect(later.covered.spent).toEqual(['batches'])
    const now = plan({ batches: [failedBatch()] }, alarm('failed-batches')).covered
    expect(now).toMatchObject({ kinds: [], spent: ['batches'] })
    const before = plan({ batches: [failedBatch()] }, alarm('stale-views')).covered
    expect(before).toMatchObject({ kinds: ['batches'], spent: [] })
  })

  test('news of another kind do not explain an alarm: both are told in one notice', () => {
    const { notice } = plan({ ...salesFailed(), told: [told('public.sales')] }, alarm('failed-batches'))
    expect(notice).toMatchObject({
      kind: 'news',
      causes: [{ view: 'public.sales' }],
      alarms: [{ name: 'failed-batches' }],
    })
  })

  test('the end of an alarm needs no notice if nothing has ended: a new alarm begins with OK', () => {
    expect(plan({}, alarm('stale-views-over', { state: 'OK' })).notice).toBeNull()
  })
})

describe('without an alarm, the clock asks', () => {
  test('what an alarm may still tell is left to it', () => {
    expect(plan(failing(['public.sales']))).toEqual({
      notice: null,
      covered: { batches: [], told: [], kinds: [], spent: [], at: now },
    })
  })

  test.each([
    ['a view that fails', { told: [told('public.sales', { trouble: 'failing', hours: 0.1 })] }],
    ['a batch', { batches: [failedBatch({ finishedAt: hoursAgo(0.1), hasFailingView: false })] }],
    ['a stale view', { told: [told('public.sales', { hours: 0.1 })] }],
    ['the end of a trouble', { told: [told('public.sales', { known: true, overAt: hoursAgo(0.1) })] }],
  ])('%s that no alarm has told is told', (_, facts) => {
    expect(plan(facts).notice).not.toBeNull()
  })
})

describe('what is over', () => {
  const over = told('public.a', { known: true, beganAt: hoursAgo(5), overAt: hoursAgo(0.05) })

  test('waits while another view has the same trouble, unless there is other news', () => {
    const other = told('public.b', { known: true, isNews: false, hours: 1 })
    const views = byName(view('public.b', { hours: 30 }))
    expect(plan({ told: [over, other], views }, alarm('stale-views-over', { state: 'OK' })).notice).toBeNull()
    const failed = failing(['public.c'])
    const { notice } = plan(
      { told: [over, other, ...failed.told], views: new Map([...views, ...failed.views]) },
      alarm('failed-runs'),
    )
    expect(notice).toMatchObject({ kind: 'news', over: [{ view: 'public.a' }] })
  })
})

test('the test of an alarm is told as a test, and news beside it as news', () => {
  const test = alarm('failed-runs', { reason: 'A test of the mail' })
  expect(plan({}, test).notice).toMatchObject({ kind: 'test', alarms: [{ name: 'failed-runs', test: true }] })
  const { notice } = plan(failing(['public.sales']), test)
  expect(notice).toMatchObject({ kind: 'news', causes: [{ view: 'public.sales' }], alarms: [{ test: true }] })
})
