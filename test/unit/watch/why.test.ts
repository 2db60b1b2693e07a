import { describe, expect, test } from 'vitest'
import type { BatchFacts, HeldLock, RunFacts } from '../../../src/record/plan/watch.ts'
import type { Cause, ExaminedView } from '../../../src/watch/diagnosis/cause.ts'
import { whyOf } from '../../../src/watch/diagnosis/diagnose.ts'
import { wholeCause } from '../../../src/watch/diagnosis/run-cause.ts'
import { moment } from '../../../src/words/phrases.ts'
import { examined } from '../../support/views/examined.ts'

const now = new Date('2026-11-20T12:00:00Z')
const at = (clock: string) => new Date(`2026-11-20T${clock}:00Z`)

const standing = ({ view = 'app.top', ...more }: Partial<ExaminedView> = {}): ExaminedView =>
  examined(view, {
    stale: true,
    staleMs: 97_200_000,
    maxStaleMs: 90_000_000,
    lastSuccessAt: new Date('2026-11-19T09:00:00Z'),
    asOf: new Date('2026-11-19T09:00:00Z'),
    nextRun: new Date('2026-11-21T09:00:00Z'),
    ...more,
  })
const run = (more: Partial<RunFacts> = {}): RunFacts => ({
  id: 7,
  operation: 'refresh',
  status: 'failed',
  batchId: null,
  requestedAt: at('09:00'),
  notBefore: null,
  finishedAt: at('09:10'),
  strategy: 'swap',
  because: null,
  error: null,
  batchCanceled: false,
  ...more,
})
const failed = (why: 'LockTimeout' | 'ViewSqlFailed' | 'UpstreamFailed', more: Partial<RunFacts> = {}) =>
  run({ error: { class: why, message: 'It was not possible.', sqlstate: null }, ...more })
const batch = (more: Partial<BatchFacts> = {}): BatchFacts => ({
  id: 'nightly',
  requestedAt: at('09:00'),
  finishedAt: null,
  error: null,
  waitsFor: [],
  ...more,
})
const reader = (since: Date | null): HeldLock => ({
  pid: 4711,
  role: 'report',
  application: 'psql',
  state: 'idle in transaction',
  since,
  mode: 'AccessShareLock',
  relation: 'app.top',
  statement: null,
  end: 'select pg_terminate_backend(4711);',
  endBy: 'role report or a member of pg_signal_backend',
})
const why = (view: ExaminedView, upstream: ExaminedView[] = [], allPaused: Date | null = null) =>
  inBrief(
    whyOf(view, upstream, (of) => (of === 'app.top' ? ['app.base'] : []), {
      now,
      clock: (at) => moment(at, now),
      typed: 'production',
      allPaused: allPaused === null ? null : { since: allPaused, by: 'anna' },
    }),
  )
/** The same; each says at most two sentences. */
function inBrief(causes: Cause[]): Cause[] {
  for (const { text } of causes) expect(text.match(/[.!?](?= [A-Z]|$)/g)?.length, text).toBeLessThanOrEqual(2)
  return causes
}
const codes = (...args: Parameters<typeof why>) =>
  why(...args).map(({ code, upstream = null }) => (upstream === null ? code : [code, upstream]))

test('a run whose error ends with SQL to type leaves that line as it is', () => {
  const error = {
    class: 'InsufficientPrivilege',
    message: 'Role app lacks usage.\n\nboss has to run:\n  grant usage on schema app to app;',
    sqlstate: '42501',
  } as const
  expect(why(standing({ runs: [run({ error })] }))[0]).toMatchObject({
    text:
      'Run 7 of app.top failed at 09:10 UTC (InsufficientPrivilege, 42501): Role app lacks usage.\n\n' +
      'boss has to run:\n  grant usage on schema app to app;\n\nReaders still see the data of 2026-11-19 09:00 UTC.',
    next: 'viewkeeper doctor app.top --env production',
  })
})

describe('a run whose check has failed', () => {
  const query = 'with "v" as (\n SELECT 1)\nselect * from "v" where day is null'
  const error = {
    class: 'CheckFailed',
    message: 'check "c" holds the new data of app.base back.',
    sqlstate: null,
    detail: 'Found: 3 rows.',
    hint: `To see them, log in as boss, the owner of the view: ${query}`,
  } as const
  const held = standing({ view: 'app.base', runs: [run({ error })], checkFailedSince: at('08:10') })

  test('says since when data are held back, how old those are that readers see, and where the query stands', () => {
    expect(why(held)[0]).toEqual({
      code: 'CheckFailed',
      text:
        'Run 7 at 09:10 UTC: check "c" holds the new data of app.base back (the check found 3 rows; it has failed since 08:10 UTC). ' +
        'Readers still see the data of 2026-11-19 09:00 UTC, 27 h old.',
      next: 'viewkeeper runs 7 --env production',
      runId: 7,
    })
    expect(wholeCause(why(held)[0]!, error)).toContain(query)
    const differs = { ...error, hint: 'To see them: viewkeeper diff app.base' }
    const [cause] = why({ ...held, runs: [run({ error: differs })] })
    expect(cause?.next).toBe('viewkeeper diff app.base')
    expect(wholeCause(cause!, differs)).toBe(cause?.text)
  })

  test('is why what reads the view was skipped', () => {
    const skipped = standing({ runs: [failed('UpstreamFailed', { status: 'skipped' })] })
    expect(codes(skipped, [held])[0]).toEqual(['Upstream', 'CheckFailed'])
  })
})

describe('a scheduled batch that was skipped because of a pause', () => {
  const skipped = batch({
    finishedAt: at('09:00'),
    error: { class: 'Paused', message: 'everything scheduled is paused' },
  })

  test('is why the view is old, also after the pause', () => {
    const [first, ...others] = why(standing({ batch: skipped }))
    expect(first).toEqual({
      code: 'Skipped',
      text: 'Batch nightly did not refresh app.top at 09:00 UTC, because everything scheduled was paused then.',
      next: 'viewkeeper refresh app.top --env production',
      batchId: 'nightly',
    })
    expect(others.map(({ code }) => code)).toEqual(['NotYetDue'])
    const tooRare = 'its limit of 60 s cannot be kept'
    expect(why(standing({ batch: skipped, tooRare }))[1]!.text).toMatch(
      /not sooner; its limit of 60 s cannot be kept\.$/,
    )
  })

  test('is not told while the pause lasts, nor after a later run', () => {
    expect(codes(standing({ batch: skipped, nextRun: null }), [], at('08:00'))).toEqual(['AllPaused'])
    const later = run({ status: 'success', requestedAt: at('09:30') })
    expect(codes(standing({ batch: skipped, runs: [later] }))).toEqual(['NotYetDue'])
  })

  test('does not hide that the run before it failed', () => {
    const before = failed('ViewSqlFailed', { requestedAt: at('08:00'), finishedAt: at('08:01') })
    expect(codes(standing({ batch: skipped, runs: [before] }))).toEqual(['Skipped', 'Failed', 'NotYetDue'])
  })
})

describe('a view that failed and is paused', () => {
  const failure = { at: at('09:10'), class: 'ViewSqlFailed' }
  const left = run({ status: 'skipped', id: 8, finishedAt: at('10:00'), because: 'it is paused' })
  const view = standing({
    pausedSince: at('09:30'),
    nextRun: null,
    failure,
    lastSuccessAt: null,
    runs: [left, failed('ViewSqlFailed')],
  })

  test('keeps its cause, before the pause, and every command passes the pause', () => {
    const causes = why(view)
    expect(causes.map(({ code, next }) => [code, next])).toEqual([
      ['Failed', 'viewkeeper bad-row app.top'],
      ['Paused', 'viewkeeper resume app.top --env production'],
      ['UnknownAge', 'viewkeeper refresh app.top --force --env production'],
    ])
    expect(why({ ...view, pausedSince: null }, [], at('09:30')).map(({ code }) => code)).toEqual([
      'Failed',
      'AllPaused',
      'UnknownAge',
    ])
  })
})

describe('a view that reads another one', () => {
  const base = (more: Partial<ExaminedView> = {}) => standing({ view: 'app.base', ...more })
  const suffers = standing({ runs: [failed('UpstreamFailed', { status: 'skipped' })] })

  test('was skipped because the other one failed, not because it is paused', () => {
    expect(codes(suffers, [base({ runs: [failed('ViewSqlFailed')] })])[0]).toEqual(['Upstream', 'Failed'])
    expect(codes(suffers, [base({ pausedSince: at('08:00'), nextRun: null })])).toEqual([
      'Skipped',
      ['Upstream', 'Paused'],
      'NotYetDue',
    ])
  })

  test('is told that the other one is paused, although that one was skipped because of a third one', () => {
    const between = base({
      pausedSince: at('10:00'),
      runs: [failed('UpstreamFailed', { status: 'skipped' })],
    })
    expect(codes(standing(), [between])).toEqual([['Upstream', 'Paused'], 'NotYetDue'])
    expect(codes(standing(), [{ ...between, pausedSince: null }])).toEqual(['NotYetDue'])
    expect(codes(standing(), [base({ populated: false })])[0]).toEqual(['Upstream', 'Unpopulated'])
  })

  test('waits in a batch for the lock that the other one waits for', () => {
    const waiting = batch({ waitsFor: ['app.base'] })
    const running = run({ status: 'running', finishedAt: null, batchId: 'nightly' })
    const busy = base({ batch: batch(), runs: [running], waits: true, locks: [reader(at('08:00'))] })
    expect(codes(standing({ batch: waiting }), [busy])).toEqual([['Upstream', 'Locked'], 'InProgress'])
  })

  test('waits in a batch for what goes on with the other one, unless that one waits, too', () => {
    const waiting = standing({ batch: batch({ waitsFor: ['app.base'] }) })
    const running = run({ status: 'running', finishedAt: null, batchId: 'nightly' })
    const both = [['Upstream', 'InProgress'], 'InProgress']
    expect(codes(waiting, [base({ batch: batch(), runs: [running] })])).toEqual(both)
    expect(codes(waiting, [base({ batch: batch() })])).toEqual(both)
    expect(codes(waiting, [base({ batch: batch({ waitsFor: ['app.source'] }) })])).toEqual(['InProgress'])
  })

  test('is told that the batch of the other one was lost, also after a run that suffered from a third one', () => {
    const before = failed('UpstreamFailed', { status: 'skipped', requestedAt: at('08:00') })
    const lost = batch({
      finishedAt: at('09:30'),
      error: { class: 'BatchLost', message: 'Nobody advanced it.' },
    })
    expect(codes(standing(), [base({ batch: lost, runs: [before] })])[0]).toEqual(['Upstream', 'Failed'])
  })
})

describe('what goes on now', () => {
  test.each([
    [['app.base'], 'pending', 'for app.base'],
    [[], 'pending', 'for a free slot: other views of the batch are running'],
    [['app.base'], 'built', 'for app.base'],
    [[], 'built', 'for its exchange: its shadow is built'],
  ] as const)('a view of a batch that waits for %j and is %s waits %s', (waits, status, text) => {
    const open = run({ status, finishedAt: null, batchId: 'nightly' })
    expect(why(standing({ batch: batch({ waitsFor: [...waits] }), runs: [open] }))).toMatchObject([
      { code: 'InProgress', text: `app.top waits in batch nightly ${text}.` },
    ])
  })

  test('a missing view is being created', () => {
    const creating = run({ operation: 'create', status: 'running', finishedAt: null })
    expect(codes(standing({ missing: true, runs: [creating] }))).toEqual(['Missing', 'InProgress'])
  })

  test('a view whose log begins its refreshes is not said to wait for a schedule', () => {
    const followed = { nextBy: 'log', nextRun: at('12:01'), asOf: at('11:59') } as const
    const then = 'refreshed when its log has rows, at the latest at 12:01 UTC.'
    expect(why(standing({ ...followed, stale: false, staleMs: 60_000 }))[0]?.text).toBe(
      `app.top is 60 s old, and may be 25 h old; it is ${then}`,
    )
    expect(why(standing(followed))[0]?.text).toBe(`app.top is ${then}`)
  })

  test('a view of which slices were computed is not said to be old although it was refreshed at the same minute', () => {
    const data = { asOf: at('11:58'), heldBackBy: 'app.top', stale: true }
    const textOf = (lastSuccessAt: Date) => why(standing({ ...data, lastSuccessAt }))[0]?.text
    const then = 'since then only slices of it were computed anew.'
    expect(textOf(new Date(data.asOf.getTime() + 9000))).toBe(`app.top is as of 11:58 UTC: ${then}`)
    expect(textOf(at('11:59'))).toBe(
      `app.top is as of 11:58 UTC, although its last refresh succeeded at 11:59 UTC: ${then}`,
    )
  })

  test('a view with a schedule, and without a limit yet, is not said to have no schedule', () => {
    const [cause] = why(standing({ stale: false, maxStaleMs: null }))
    expect(cause?.text).toMatch(/no limit: .* knows no interval of its schedule yet\.$/)
  })
})
