import type { AnyState } from '../../../src/catalog/plan/state.ts'
import type { Answers } from './fake-api.ts'

// An environment of many views, with a long history, for tests that need much at once.

const now = Date.now()
const before = (seconds: number): string => new Date(now - seconds * 1000).toISOString()
const minute = 60
const hour = 60 * minute
/** A day as the scene counts them: its moments do not move while a test runs. */
export const dayBefore = (days: number): string => before(days * 24 * hour).slice(0, 10)

interface Options {
  schema?: string
  reads?: string[]
  age?: number
  limit?: number | null
  status?: string
  rows?: number
  size?: number
  took?: number
  next?: number | null
  paused?: boolean
  missing?: boolean
  populated?: boolean
  schedule?: string
  comment?: string
}

let lastId = 0

/** An item of `GET /views`; times are seconds. */
function viewOf(name: string, options: Options = {}) {
  const { schema = 'public', reads = [], age = 5 * hour, limit = 26 * hour, status = 'success' } = options
  const {
    rows = 4000,
    size = 1e6,
    took = 2,
    next = 4 * hour,
    paused = false,
    missing = false,
    populated = true,
  } = options
  const id = ++lastId
  const stale = !paused && limit !== null && age > limit
  const stateOf = (): AnyState => {
    if (missing) return 'missing'
    if (status === 'failed') return 'failed'
    if (!populated) return 'unpopulated'
    if (stale) return 'stale'
    return paused ? 'paused' : limit === null ? 'unlimited' : 'fresh'
  }
  return {
    id,
    view: `${schema}.${name}`,
    schema,
    name,
    source: 'authored',
    strategy: 'auto',
    populated,
    paused,
    state: stateOf(),
    culprit: null as string | null,
    sizeBytes: missing ? null : size,
    estimatedRows: missing ? null : rows,
    countedRows: missing ? null : rows,
    lastRun: {
      id: 800 + id,
      status,
      requestedAt: before(status === 'running' ? 12 : age),
      finishedAt: status === 'running' ? null : before(age - took),
      durationMs: status === 'running' ? null : took * 1000,
    },
    lastSuccessAt: before(age),
    asOf: before(age),
    heldBackBy: null,
    staleMs: age * 1000,
    dependsOn: reads.map((read) => (read.includes('.') ? read : `${schema}.${read}`)),
    neededBy: [] as string[],
    maxStaleMs: limit === null ? null : limit * 1000,
    stale,
    nextRun: paused || next === null ? null : before(-next),
    nextBy: paused || next === null ? null : options.schedule ? 'view' : 'nightly',
    schedule: options.schedule ?? null,
    timeZone: options.schedule ? 'Europe/Berlin' : null,
    missing,
    failing: status === 'failed',
    checked: false,
    checkFailedSince: null,
    aside: null as { since: string; by: string } | null,
    retry: null as { runId: number; at: string; message: string | null } | null,
  }
}

export type SceneView = ReturnType<typeof viewOf>

/** Fills in who reads each view. */
function linked(views: SceneView[]): SceneView[] {
  for (const view of views)
    view.neededBy = views.filter(({ dependsOn }) => dependsOn.includes(view.view)).map((each) => each.view)
  return views
}

/** `many` views in layers, some of them stale or failed. */
export const manyViews = (many: number): SceneView[] =>
  linked(
    Array.from({ length: many }, (_, i) =>
      viewOf(`${['orders', 'revenue', 'sessions', 'stock', 'churn'][i % 5]}_${i}`, {
        schema: ['sales', 'web', 'ops'][i % 3]!,
        reads:
          i < many / 4
            ? []
            : [i % 3, (i * 7) % 5]
                .slice(0, 1 + (i % 2))
                .map((back) => nameOf(Math.floor(i / 4) - back))
                .filter((name, at, all) => all.indexOf(name) === at),
        age: ((i * 37) % 30) * hour,
        status: i % 41 === 0 ? 'failed' : 'success',
        paused: i % 97 === 0,
        rows: (i * 7919) % 4e6,
        size: ((i * 104729) % 9e8) + 8192,
      }),
    ),
  )

const nameOf = (i: number) =>
  `${['sales', 'web', 'ops'][Math.max(0, i) % 3]}.${['orders', 'revenue', 'sessions', 'stock', 'churn'][Math.max(0, i) % 5]}_${Math.max(0, i)}`

/** A successful refresh, or what the options make of it. */
export function runOf(id: number, view: SceneView, options: Record<string, unknown> = {}) {
  const age = (options.age as number) ?? 5 * hour
  const took = (options.took as number) ?? 2
  const { age: _age, took: _took, ...rest } = options
  return {
    id,
    view: view.view,
    schema: view.schema,
    name: view.name,
    operation: 'refresh',
    status: 'success',
    trigger: 'schedule',
    requestedBy: 'nightly',
    batchId: null,
    attempt: 1,
    requestedAt: before(age),
    notBefore: null,
    startedAt: before(age),
    finishedAt: before(age - took),
    durationMs: took * 1000,
    rowCountBefore: view.estimatedRows,
    rowCountAfter: view.estimatedRows,
    error: null,
    result: {
      runId: id,
      view: view.view,
      operation: 'refresh',
      status: 'updated',
      request: {},
      response: {
        view: view.view,
        strategy: 'swap',
        because: 'nothing stands in the way of a swap',
        sql: [
          `create materialized view viewkeeper_shadows.${view.name} as select * from ${view.view}_source with no data`,
          `refresh materialized view viewkeeper_shadows.${view.name}`,
        ],
        attempts: 1,
        rowCountBefore: null,
        rowCountAfter: null,
        durationMs: took * 1000,
      },
    },
    ...rest,
  }
}

/** `many` runs of a view, newest first, some of them failed. */
export const manyRuns = (view: SceneView, many: number) =>
  Array.from({ length: many }, (_, i) => {
    const failed = i % 23 === 7
    return runOf(10_000 - i, view, {
      age: (i + 0.2) * 6 * hour,
      took: 8 + ((i * 13) % 7) + (i < 40 ? 4 : 0),
      rowCountBefore: 4_000_000 - i * 400,
      rowCountAfter: failed ? null : 4_000_400 - i * 400,
      ...(failed && {
        status: 'failed',
        error: { class: 'ViewSqlFailed', message: 'division by zero', sqlstate: '22012' },
      }),
    })
  })

/** Cuts a list as the API does. */
function pageOf<T extends { id: number }>(items: T[], query: URLSearchParams, name: string) {
  const limit = Number(query.get('limit') ?? 50)
  const before = Number(query.get('cursor') ?? Number.POSITIVE_INFINITY)
  const rest = items.filter(({ id }) => id < before)
  const page = rest.slice(0, limit)
  return { [name]: page, next: rest.length > limit ? String(page.at(-1)!.id) : null }
}

/** A batch of these views that has done its first part. */
function batchOf(views: SceneView[], id: string, done = views.length) {
  const open = done < views.length
  const beginsAt = (i: number) => 95 - i * 7
  return {
    id,
    status: open ? 'running' : 'success',
    trigger: 'schedule',
    requestedBy: 'nightly',
    request: { all: true },
    selection: {},
    strategy: null,
    concurrency: 2,
    exchange: 'each',
    maxShadowBytes: null,
    refreshedEach: [],
    locked: [],
    refused: null,
    cancelRequestedAt: null,
    requestedAt: before(97),
    startedAt: before(96),
    advancedAt: before(1),
    finishedAt: open ? null : before(10),
    elapsedMs: open ? 96_000 : 86_000,
    error: null,
    estimatedRestMs: open ? 45_000 : null,
    shadowBytes: 0,
    groups: [],
    next: null,
    views: views.map((view, i) => {
      const failed = i === 4
      const running = open && i >= done && i < done + 2
      const begun = i < done || running
      const begin = beginsAt(i)
      const took = running ? begin : Math.min(begin, 6 + ((i * 5) % 9))
      const skipped = open && view.dependsOn.includes(views[4]?.view ?? '')
      const run = (attempt: number, more: object) => ({
        runId: 900 + i * 2 + attempt,
        status: running ? 'running' : failed ? 'failed' : 'success',
        attempt,
        notBefore: null,
        startedAt: before(begin),
        finishedAt: running ? null : before(begin - took),
        elapsedMs: took * 1000,
        phase: running ? 'building' : null,
        class: failed ? 'ViewSqlFailed' : null,
        sqlstate: failed ? '22012' : null,
        message: failed ? 'division by zero' : null,
        ...more,
      })
      return {
        view: view.view,
        status: skipped
          ? 'skipped'
          : failed && begun
            ? 'failed'
            : running
              ? 'running'
              : begun
                ? 'success'
                : 'waiting',
        includedBecause: null,
        dependsOn: view.dependsOn.filter((parent) => views.some((each) => each.view === parent)),
        waitsFor: begun || skipped ? [] : view.dependsOn.slice(0, 2),
        estimatedMs: 12_000,
        runs: skipped
          ? [
              run(1, {
                status: 'skipped',
                startedAt: null,
                elapsedMs: null,
                class: 'UpstreamFailed',
                message: `${views[4]!.view} failed`,
              }),
            ]
          : !begun
            ? []
            : failed
              ? [
                  run(1, { elapsedMs: 2000, finishedAt: before(begin - 2) }),
                  run(2, { startedAt: before(begin - 12), finishedAt: before(begin - 15), elapsedMs: 3000 }),
                ]
              : [run(1, {})],
      }
    }),
  }
}

/** An API of these views, and of a long history of each. */
export const apiOf =
  (
    views: SceneView[],
    runs: (view: SceneView) => ReturnType<typeof runOf>[] = (view) => manyRuns(view, 500),
  ): Answers =>
  ({ method, path, query }) => {
    const batches = [
      batchOf(views.slice(0, 14), '20261120-090000-1f3c9a2b', 9),
      batchOf(views.slice(0, 12), '20261119-090000-77aa01cd'),
    ]
    const [, room, subject, last] = path.split('/')
    const view = views.find((each) => each.view === subject || String(each.id) === subject)
    if (method !== 'GET') return undefined
    if (path === '/views')
      return {
        views,
        paused: null,
        next: null,
      }
    if (room === 'views' && view && last === 'why') return whyOf(view)
    if (room === 'views' && view)
      return {
        ...view,
        owner: 'viewkeeper_views',
        comment: 'What was sold, by day and product.',
        sql: 'select day, product, sum(amount) as total\nfrom sales\ngroup by day, product;',
        indexes: [
          {
            name: `${view.name}_key`,
            unique: true,
            definition: `CREATE UNIQUE INDEX ${view.name}_key ON ${view.view} USING btree (day, product)`,
          },
        ],
        recentRuns: [],
      }
    const named = views.find(
      (each) => String(each.id) === query.get('view') || each.view === query.get('view'),
    )
    if (path === '/runs' && named) return pageOf(runs(named), query, 'runs')
    if (path === '/runs')
      return pageOf(
        views
          .slice(0, 40)
          .flatMap((each) => runs(each).slice(0, 2))
          .map((run, i) => ({ ...run, id: 9000 - i })),
        query,
        'runs',
      )
    if (room === 'runs') return views.flatMap(runs).find(({ id }) => String(id) === subject)
    if (path === '/actions') return { actions: named ? actionsOn([named.view]) : actionsOn([]), next: null }
    if (path === '/days') return { views: views.map(daysOf), next: null }
    if (path === '/batches') return { batches, next: null }
    if (room === 'batches') return batches.find(({ id }) => id === subject)
    return undefined
  }

/** What people did by hand: with a run, with a batch, and with neither. */
const actionsOn = (views: string[]) =>
  (['pause', 'retry', 'cancel'] as const).map((action, i) => ({
    id: 30 - i,
    at: '2026-11-20T09:00:00.000Z',
    action,
    requestedBy: 'arn:aws:sts::123456789012:assumed-role/deployer/somebody-with-a-long-name@example.com',
    views,
    runId: action === 'cancel' ? 9993 : null,
    batchId: action === 'retry' ? '20261120-090000-1f3c9a2b' : null,
    request: action === 'pause' ? {} : { force: true, strategy: 'swap' },
  }))

/** Days of all kinds, and one without a run. */
const daysOf = ({ view }: SceneView, i: number) => ({
  view,
  days: Array.from({ length: 14 }, (_, day) => {
    const failed = (i * 5 + day * 3) % 11 === 0 ? 2 : 0
    const last = failed === 0 || day % 2 === 0 ? 'success' : 'failed'
    return { day: before((13 - day) * 24 * hour).slice(0, 10), last, runs: 4, failed }
  }).filter((_, day) => (i + day) % 9 !== 0),
})

/** A view that waits for a lock if it is stale, else one that is fresh. */
const whyOf = (view: SceneView) => ({
  view: view.view,
  state: view.state,
  culprit: view.culprit,
  staleMs: view.staleMs,
  maxStaleMs: view.maxStaleMs,
  lastSuccessAt: view.lastSuccessAt,
  asOf: view.asOf,
  heldBackBy: view.heldBackBy,
  nextRun: view.nextRun,
  causes: view.stale
    ? [
        {
          code: 'Locked',
          text: `Run 812 waits for a lock on ${view.view} that another session holds.`,
          next: `viewkeeper runs 812 --env production`,
          runId: 812,
        },
        {
          code: 'Failed',
          text: 'The last run failed: division by zero (22012).',
          next: `viewkeeper runs 811 --env production`,
          runId: 811,
        },
      ]
    : [{ code: 'Well', text: 'The data are fresh.', next: null }],
  locks: view.stale
    ? [
        {
          pid: 4711,
          role: 'reporting',
          application: 'quarterly report',
          state: 'idle in transaction',
          since: before(2 * hour),
          mode: 'AccessShareLock',
          relation: view.view,
          statement: `select product, sum(total) from ${view.view} where day > … group by product`,
          end: 'select pg_terminate_backend(4711);',
          endBy: 'role reporting or a member of pg_signal_backend',
        },
      ]
    : [],
  recentRuns: [],
})
