import { beforeEach, describe, expect, test } from 'vitest'
import { handler as monitor } from '../../../functions/monitor.ts'
import { metricNames } from '../../../src/api/lambda/aws-names.ts'
import { findFailing } from '../../../src/record/batches/batch-views.ts'
import { findFailed } from '../../../src/record/runs/failing.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { getMetrics } from '../../../src/watch/read-views.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { deep } from '../../support/deep.ts'
import { whileWorkedOn } from '../../support/processes/worker.ts'
import { deleteRows, insertRow, updateRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { namesByKind } from '../../support/views/wrong.ts'
import { useHistory, usePublished } from './past.ts'

const { url, database, sql, clear, writePast, expectForLong } = useHistory()
const { lines, published } = usePublished(url)
const context = lambdaContext()
/** Schedules a view at six in a time zone; null: not any more. */
const schedule = (view: string, timeZone: string | null) =>
  updateRows(sql, 'definitions', { view }, { schedule: timeZone && '0 6 * * *', timeZone })
/** The stale views that a look finds. */
const stale = async () => namesByKind(await monitor({}, context)).stale

describe('the monitor', () => {
  beforeEach(clear)

  test('tells of a failing view, as a line with its run and as a metric', async () => {
    await sql`create materialized view failing as select 1 / (count(*) - count(*)) as x from pg_class with no data`
    const { runId } = await refresh({ view: 'failing' }, callOn(database))
    await monitor({}, context)
    expect(lines).toContainEqual(
      expect.objectContaining({
        message: 'run ended',
        level: 'ERROR',
        runId,
        view: 'public.failing',
        class: 'ViewSqlFailed',
        problem: 'division by zero',
      }),
    )
    expect(published('RunsFailed')).toEqual([1])
    await sql`drop materialized view failing`
  })

  test('tells of no failure whose next attempt is on its way, as after a restart, unless the view failed before', async () => {
    const failing = async () => namesByKind(await monitor({}, context)).failing
    const ends = (more: Record<string, unknown>) =>
      insertRow(sql, 'runs', {
        view: 'steady',
        batchId: 'open',
        trigger: 'schedule',
        startedAt: sql`clock_timestamp()`,
        status: 'failed',
        finishedAt: sql`clock_timestamp()`,
        ...more,
      })
    await insertRow(sql, 'batches', { id: 'open', status: 'running', advancedAt: sql`clock_timestamp()` })
    await insertRow(sql, 'batchViews', { batchId: 'open', view: 'steady', retries: 1 })
    const { id } = await ends({ error: { class: 'RunLost', message: 'lost' } })
    expect(await failing()).toEqual([])
    await updateRows(
      sql,
      'runs',
      { id },
      { error: { class: 'ViewSqlFailed', sqlstate: '22012', message: 'bad' } },
    )
    expect(await failing()).toEqual(['public.steady'])
    await updateRows(sql, 'runs', { id }, { error: { class: 'RunLost', message: 'lost' } })
    const again = await ends({
      attempt: 2,
      status: 'pending',
      startedAt: null,
      finishedAt: null,
      notBefore: sql`now()`,
    })
    expect(await failing()).toEqual([])
    const { id: before } = await ends({ batchId: null, error: { class: 'LockTimeout', message: 'no lock' } })
    expect(await failing()).toEqual(['public.steady'])
    await deleteRows(sql, 'runs', { id: before })
    expect(await failing()).toEqual([])
    await updateRows(
      sql,
      'runs',
      { id: again.id },
      {
        status: 'failed',
        startedAt: sql`clock_timestamp()`,
        finishedAt: sql`clock_timestamp()`,
        error: { class: 'RunLost', message: 'lost' },
      },
    )
    expect(await failing()).toEqual(['public.steady'])
  })

  test('counts a view as failed until a run makes its data fresh, it is paused, or it is dropped', async () => {
    const failing = async () => {
      lines.length = 0
      await monitor({}, context)
      return [published('ViewsFailed'), lines.find(({ message }) => message === 'views are failing')?.views]
    }
    const ends = (view: string, status: string, more = {}) =>
      writePast([{ view, status, ago: '1 seconds', ...more }])
    await ends('steady', 'failed', { operation: 'drop' })
    expect(await failing()).toEqual([[0], undefined])
    await ends('steady', 'failed')
    await ends('shaky', 'failed')
    const both = [[2], ['public.shaky', 'public.steady']]
    expect(await failing()).toEqual(both)
    await ends('steady', 'skipped')
    await ends('shaky', 'success', { operation: 'create', fills: false })
    expect(await failing()).toEqual(both)
    await ends('steady', 'success')
    expect(await failing()).toEqual([[1], ['public.shaky']])
    await pauseView(database, 'shaky', true, 'test')
    expect(await failing()).toEqual([[0], undefined])
    await pauseView(database, 'shaky', false, 'test')

    // A refusal that its caller got ends nothing and begins nothing; a lost run is a failure.
    const refusal = { status: 'failed', trigger: 'http', finishedAt: sql`clock_timestamp()` }
    const refuse = (view: string, code: string) =>
      insertRow(sql, 'runs', { ...refusal, view, error: { class: code } })
    await refuse('quiet', 'UniqueIndexRequired')
    await refuse('shaky', 'UniqueIndexRequired')
    expect(await failing()).toEqual([[1], ['public.shaky']])

    // By the same rule, views are retried, and stay out of groups.
    const retried = async () => {
      const ids = await findFailing(sql)
      const rows = await sql`select id, name from viewkeeper.definitions order by name`
      return rows.filter(({ id }) => ids.includes(id)).map(({ name }) => name)
    }
    const all = ['quiet', 'shaky', 'steady'].map((name) => ({ schema: 'public', name }))
    expect(await retried()).toEqual(['shaky'])
    expect(await findFailed(sql, all)).toEqual([{ schema: 'public', name: 'shaky' }])
    await refuse('quiet', 'LockTimeout')
    expect(await failing()).toEqual([[2], ['public.quiet', 'public.shaky']])
    await sql`drop materialized view shaky`
    expect(await failing()).toEqual([[1], ['public.quiet']])
    await sql`create materialized view shaky as select 1 as id`

    await ends('steady', 'failed', { ago: '-1 seconds' })
    expect(await failing()).toEqual([[3], ['public.quiet', 'public.shaky', 'public.steady']])
    expect(await retried()).toEqual(['quiet', 'shaky', 'steady'])
    await ends('steady', 'skipped', { ago: '-2 seconds' })
    await updateRows(sql, 'runs', { status: 'skipped', view: 'steady' }, { asOf: sql`clock_timestamp()` })
    expect(await failing()).toEqual([[2], ['public.quiet', 'public.shaky']])
    expect(await retried()).toEqual(['quiet', 'shaky'])
    // However many refusals come after that proof.
    for (let times = 0; times < 20; times++) await refuse('steady', 'UniqueIndexRequired')
    expect(await failing()).toEqual([[2], ['public.quiet', 'public.shaky']])
  })

  test('tells of a slow refresh, against what its view usually takes', async () => {
    await writePast([
      ...Array.from({ length: 3 }, (_, at) => ({
        view: 'steady',
        ago: `${9 - at} hours`,
        durationMs: 20_000,
      })),
      { view: 'steady', ago: '2 hours', durationMs: 41_000 },
      { view: 'steady', ago: '1 hours', durationMs: 45_000 },
      ...Array.from({ length: 3 }, (_, at) => ({ view: 'quiet', ago: `${9 - at} hours`, durationMs: 100 })),
      { view: 'quiet', ago: '1 hours', durationMs: 9000 },
    ])
    await monitor({}, context)
    expect(lines.filter(({ slow }) => slow)).toEqual([
      expect.objectContaining({ view: 'public.steady', durationMs: 41_000, usualMs: 20_000 }),
    ])
    expect(published('RunsSlow')).toEqual([1])
  })

  test('publishes nothing less because what comes after fails, and nothing twice', async () => {
    process.env.SCHEDULES = '{"nightly":false}'
    await schedule('quiet', 'No/Where')
    await writePast([{ view: 'shaky', ago: '1 hours', status: 'failed' }])
    await expect(monitor({}, context)).rejects.toThrow()
    expect(published('RunsFailed')).toEqual([1])
    expect(lines).toContainEqual(expect.objectContaining({ message: 'run ended', view: 'public.shaky' }))
    expect(published('ViewsStale')).toEqual([])

    lines.length = 0
    await schedule('quiet', null)
    await monitor({}, context)
    expect([published('RunsFailed'), published('ViewsStale')]).toEqual([[0], [0]])
  })

  test('waits with a run whose rows are still counted', async () => {
    await writePast([{ view: 'steady', ago: '1 hours' }])
    await updateRows(sql, 'runs', {}, { plan: {} })
    await whileWorkedOn(sql, 'true', async () =>
      expect(await monitor({}, context)).toMatchObject({ publishedRuns: 0 }),
    )
    expect(await monitor({}, context)).toMatchObject({ publishedRuns: 1 })
  })

  test('tells of a lost batch that others have closed as a line and as a metric', async () => {
    const error = { class: 'BatchLost', message: 'Nobody advanced this batch.' }
    const times = { startedAt: sql`now() - interval '1 minute'`, finishedAt: sql`now()` }
    await insertRow(sql, 'batches', { id: 'lost-one', status: 'failed', error, ...times })
    await monitor({}, context)
    expect(lines).toContainEqual(
      expect.objectContaining({
        message: 'batch ended',
        level: 'ERROR',
        batchId: 'lost-one',
        class: 'BatchLost',
        problem: error.message,
        durationMs: 60_000,
      }),
    )
    expect(published('BatchesLost')).toEqual([1])
    lines.length = 0
    await monitor({}, context)
    expect(published('BatchesLost')).toEqual([0])
  })

  test('counts as a success only what made the data fresh', async () => {
    await updateRows(sql, 'definitions', { view: 'steady' }, { maxStalenessSeconds: 3600 })
    await expectForLong('steady')
    await writePast([
      { view: 'steady', ago: '2 hours' },
      { view: 'steady', ago: '1 minutes', operation: 'create', fills: false },
    ])
    expect(await stale()).toEqual(['public.steady'])
    const ended = lines.filter(({ message }) => message === 'run ended')
    expect(ended.map(({ operation, fresh }) => [operation, fresh])).toEqual([
      ['refresh', true],
      ['create', undefined],
    ])
    await writePast([{ view: 'steady', ago: '1 minutes', operation: 'create', fills: true }])
    expect(await stale()).toEqual([])
    await updateRows(sql, 'definitions', { view: 'steady' }, { maxStalenessSeconds: null })
  })

  test('compares a refresh with refreshes, not with what else was done to the view', async () => {
    await writePast([
      { view: 'steady', ago: '3 hours', durationMs: 5, operation: 'create', fills: false },
      { view: 'steady', ago: '2 hours', durationMs: 15_000 },
    ])
    await monitor({}, context)
    expect(published('RunsSlow')).toEqual([0])
  })

  test('knows a view that nobody has met', async () => {
    await sql`create materialized view unmet as select 1 as id`
    await monitor({}, context)
    expect((await sql`select source from viewkeeper.definitions where name = 'unmet'`)[0]).toEqual({
      source: 'discovered',
    })
    await sql`drop materialized view unmet`
    await deleteRows(sql, 'definitions', { view: 'unmet' })
  })

  test('expects nothing of a time when nobody did: before a schedule, while paused', deep, async () => {
    process.env.SCHEDULES = '{"nightly":false}'
    await expectForLong('steady')
    await writePast([{ view: 'steady', ago: '30 days' }])
    expect(await stale()).toEqual([])
    await schedule('steady', 'UTC')
    expect(await stale()).toEqual([])
    await updateRows(
      sql,
      'definitions',
      { view: 'steady' },
      { expectedSince: sql`now() - interval '26 hours'` },
    )
    expect(await stale()).toEqual(['public.steady'])
    await pauseView(database, 'steady', true, 'test')
    expect(await stale()).toEqual([])
    await pauseView(database, 'steady', false, 'test')
    expect(await stale()).toEqual([])
    const [measured] = await getMetrics(database, {
      view: 'steady',
      windowSeconds: 60,
    })
    expect(measured).toMatchObject({
      stale: false,
      staleMs: expect.toSatisfy((ms: number) => ms > 29 * 86_400_000),
    })
    await schedule('steady', null)
  })

  test('publishes the runs of each view under its name where that is asked for', async () => {
    process.env.METRICS_PER_VIEW = 'true'
    await insertRow(sql, 'definitions', { view: 'Über "A"' })
    await writePast([
      { view: 'steady', ago: '4 hours', durationMs: 700 },
      { view: 'steady', ago: '3 hours', status: 'failed' },
      { view: 'Über "A"', ago: '2 hours', durationMs: 80, operation: 'create' },
      { view: 'shaky', ago: '1 hours', status: 'skipped' },
    ])
    await monitor({}, context)
    const named = () => lines.filter((line) => '_aws' in line && 'view' in line)
    expect(
      named().map((line) => [line.view, line.RunsSucceeded, line.RunsFailed, line.RefreshDuration]),
    ).toEqual([
      ['public.steady', 1, 0, 700],
      ['public.steady', 0, 1, undefined],
      ['public."%C3%9Cber ""A"""', 1, 0, undefined],
    ])
    for (const { _aws } of named()) {
      expect(_aws).toMatchObject({
        CloudWatchMetrics: [{ Namespace: 'Viewkeeper', Dimensions: [['service', 'environment', 'view']] }],
      })
    }

    lines.length = 0
    delete process.env.METRICS_PER_VIEW
    await writePast([{ view: 'steady', ago: '1 hours' }])
    await monitor({}, context)
    expect(published('RunsSucceeded')).toEqual([1])
    expect(named()).toEqual([])
    await deleteRows(sql, 'definitions', { view: 'Über "A"' })
  })

  test('publishes zeros and its own heart-beat when nothing has happened', async () => {
    await monitor({}, context)
    const { waitingSeconds, ...counts } = metricNames
    for (const name of Object.values(counts)) expect(published(name)).toEqual([0])
    // What other tests have left for people waits.
    expect(published(waitingSeconds)).toEqual([expect.any(Number)])
  })
})
