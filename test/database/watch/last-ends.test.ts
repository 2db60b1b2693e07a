import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readFacts } from '../../../src/record/definitions/state-facts.ts'
import { failureOf, leftOutSince } from '../../../src/record/runs/failing.ts'
import { readRuns } from '../../../src/record/runs/history.ts'
import { prepareKept, pruneRange } from '../../../src/record/watch/prune.ts'
import { counts } from '../../support/counts.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows, insertRow, insertRows, updateRows } from '../../support/record/rows.ts'
import { seedOf } from '../../support/seeded.ts'
import { useHistory } from './past.ts'

// The last ends of each view are kept when they are published, and looked up until then. Here they are compared with what a query finds
// that reads all runs.

const { sql, clear, writePast } = useHistory()

const outcomes = {
  success: { status: 'success', fills: true },
  emptied: { status: 'success', fills: false },
  failed: { status: 'failed', class: 'ViewSqlFailed' },
  refused: { status: 'failed', class: 'NotPopulated' },
  dropFailed: { status: 'failed', class: 'ViewSqlFailed', operation: 'drop' },
  canceled: { status: 'canceled', class: 'Canceled' },
  unneeded: { status: 'skipped', unneeded: true },
  heldUp: { status: 'skipped', class: 'UpstreamFailed' },
  skipped: { status: 'skipped', class: 'AlreadyRunning' },
}

const ordinary = { status: 'success', fills: true, operation: 'refresh', class: null, unneeded: false }

/** A history with at most 20 runs of a view, some of which end after runs that were requested later, and some of which are removed. */
const histories = fc.array(
  fc.record({
    view: fc.constantFrom('steady', 'shaky'),
    outcome: fc.constantFrom(...(Object.keys(outcomes) as (keyof typeof outcomes)[])),
    lasted: fc.integer({ min: 0, max: 600 }),
    published: fc.boolean(),
    removed: fc.boolean(),
  }),
  { maxLength: 20 },
)

interface PlanNode {
  'Relation Name'?: string
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: PlanNode[]
}

/** Writes the runs one every 100 minutes, the last now. */
async function write(runs: (typeof histories extends fc.Arbitrary<infer Value> ? Value : never)[number][]) {
  const rows = []
  for (const [at, { view, outcome, lasted, published }] of runs.entries()) {
    const { class: code, unneeded, ...end } = { ...ordinary, ...outcomes[outcome] }
    const began = Date.now() - (runs.length - at) * 6_000_000 - 36_000_000
    const [requestedAt, finishedAt] = [new Date(began), new Date(began + lasted * 60_000)]
    const publishedAt = published ? new Date() : null
    const row = { view, ...end, requestedAt, startedAt: requestedAt, finishedAt, publishedAt }
    const asOf = unneeded ? requestedAt : null
    rows.push(await insertRow(sql, 'runs', { ...row, asOf, error: code && { class: code } }))
  }
  return rows
}

/** What ended last, by reading all runs. */
const slow = (isFailure: string) => `
  (select f.id, f.finished_at from viewkeeper.runs f
    where f.definition_id = d.id and ${isFailure} and not exists (
          select from viewkeeper.runs s
           where s.definition_id = d.id and (s.finished_at, s.id) > (f.finished_at, f.id)
             and (s.status = 'success' and s.fills
                  or viewkeeper.is_unneeded(s.status, s.as_of, s.error, s.built_at)
                     and s.id > (select min(f.id) from viewkeeper.runs f where f.definition_id = d.id and ${isFailure})))
    order by f.finished_at desc, f.id desc limit 1)`
const failed = "f.status = 'failed' and f.operation <> 'drop'"
const heldUp = "f.status = 'skipped' and f.error ->> 'class' = 'UpstreamFailed'"

async function expectTruth() {
  const [wrong] = await sql.unsafe(`
    select count(*)::integer as views from viewkeeper.view_status v
     where array[last_failure_id, failed_last_day] is distinct from (
             select array[(array_agg(r.id order by r.finished_at desc, r.id desc))[1],
                         count(*) filter (where r.requested_at >= clock_timestamp() - interval '24 hours')]
               from viewkeeper.runs r where r.definition_id = v.id and r.status = 'failed')
        or last_run_id is distinct from (
             select (array_agg(r.id order by r.finished_at desc, r.id desc))[1] from viewkeeper.runs r where r.definition_id = v.id)
        or last_success_id is distinct from (
             select (array_agg(r.id order by r.finished_at desc, r.id desc))[1]
               from viewkeeper.runs r where r.definition_id = v.id and r.status = 'success' and r.fills)`)
  expect(wrong).toEqual({ views: 0 })
  const found = await sql`
    select d.name, failure.finished_at::text as failed, held_up.finished_at::text as "heldUp" from viewkeeper.definitions d
      left join lateral (${failureOf(sql)}) failure on true left join lateral (${leftOutSince(sql)}) held_up on true order by 1`
  const sought = await sql.unsafe(`
    select d.name, failure.finished_at::text as failed, held_up.finished_at::text as "heldUp" from viewkeeper.definitions d
      left join lateral ${slow(failed)} failure on true left join lateral ${slow(heldUp)} held_up on true order by 1`)
  expect([...found]).toEqual([...sought])
  const { views } = await readFacts(sql)
  const failures = await sql.unsafe<{ name: string; at: Date | null }[]>(`
    select d.name, failure.finished_at as at from viewkeeper.definitions d left join lateral ${slow(failed)} failure on true order by 1`)
  expect(views.map(({ name, failure }) => ({ name, at: failure?.at ?? null }))).toEqual([...failures])
}

test(
  'what ended last is found in any history, also after removals and a prune, which keep it',
  deep,
  async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (runs) => {
        await clear()
        const written = await write(runs)
        await expectTruth()
        for (const { id } of written.filter((run) => run.id % 5 === 0))
          await updateRows(sql, 'runs', { id }, { finishedAt: sql`finished_at + interval '1 hour'` })
        await expectTruth()
        for (const { id } of written.filter((run) => run.published_at === null && run.id % 2 === 0))
          await updateRows(sql, 'runs', { id }, { publishedAt: sql`clock_timestamp()` })
        await expectTruth()
        const removed = written.filter((_, at) => runs[at]!.removed)
        await deleteRows(sql, 'runs', { id: removed.map(({ id }) => id) })
        await expectTruth()
        const lasting = () =>
          sql`select name, last_success_id, last_failure_id from viewkeeper.view_status order by 1`
        const before = await lasting()
        const allFrom = await prepareKept(sql, { successes: 1, days: 0 })
        for (let from: number | null = 1; from !== null; )
          from = (await pruneRange(sql, from, 5000, { successes: 1, days: 0 }, allFrom)).next
        expect(await lasting()).toEqual(before)
      }),
      { numRuns: counts.properties, seed: seedOf(1) },
    )
  },
)

test(
  'a look at all views reads no run of those whose ends are published; the others are in indexes of the ends',
  deep,
  async () => {
    await clear()
    const now = new Date()
    for (const { status, class: code = null } of [outcomes.failed, outcomes.heldUp, ordinary])
      for (const view of ['steady', 'shaky', 'quiet', 'fresh']) {
        const run = { view, status, error: code && { class: code }, finishedAt: now, publishedAt: now }
        await insertRows(sql, 'runs', Array(1000).fill(run))
      }
    const explained = async (query: ReturnType<typeof sql>) =>
      (await sql`explain (costs off) ${query}`).map((line) => line['QUERY PLAN']).join('\n')
    await sql`vacuum analyze viewkeeper.runs, viewkeeper.last_ends`
    const [read] =
      await sql`explain (analyze, buffers, format json) select last_run_id, last_success_id, last_failure_id from viewkeeper.latest_runs`
    /** What is read of runs: how many pages the catalogs have is the server's affair. */
    const blocksOf = (node: PlanNode): number =>
      node['Relation Name'] === 'runs'
        ? node['Shared Hit Blocks'] + node['Shared Read Blocks']
        : (node.Plans ?? []).reduce((sum, each) => sum + blocksOf(each), 0)
    const plan = read!['QUERY PLAN'][0].Plan as PlanNode
    expect(JSON.stringify(plan)).toContain('"Relation Name":"runs"')
    expect(blocksOf(plan)).toBeLessThan(20)
    const skipped = await explained(
      sql`select h.* from viewkeeper.definitions d cross join lateral (${leftOutSince(sql)}) h`,
    )
    expect(skipped).toMatch(/Limit\n\s*-> {2}Index Scan using runs_held_up/)
  },
)

test('the runs of some hours are found by their time, although many runs came later', async () => {
  await clear()
  await writePast(Array.from({ length: 5760 }, (_, at) => ({ view: 'steady', ago: `${at * 25} minutes` })))
  await sql`vacuum analyze viewkeeper.runs`
  // A session has its own counters until it reports them.
  const own = await sql.reserve()
  const lookups = async () => {
    await own`select pg_stat_force_next_flush()`
    const [row] = await own<[{ scans: number }]>`
      select pg_stat_get_numscans('viewkeeper.runs_of_time'::regclass)::integer as scans`
    return row.scans
  }
  const before = await lookups()
  const since = new Date(Date.now() - 60 * 86_400_000)
  const { rows } = await readRuns(own as never, {
    since,
    until: new Date(since.getTime() + 20 * 3_600_000),
    limit: 2,
  })
  expect(rows.length).toBe(2)
  // Once for the strays, and once for each bound of the ids.
  expect(await lookups()).toBe(before + 4)
  own.release()
})

test.each([
  ['of some days', 30 * 3_600_000],
  ['without a beginning', null],
])('the list of the past %s has the runs that a put-back has written since', async (_, length) => {
  await clear()
  await writePast(Array.from({ length: 2400 }, (_, at) => ({ view: 'steady', ago: `${at} hours` })))
  const until = new Date(Date.now() - 60 * 86_400_000)
  const putBack = { operation: 'create', status: 'success', finishedAt: new Date() }
  for (const view of ['steady', 'shaky', 'quiet', 'fresh'])
    await insertRow(sql, 'runs', { view, ...putBack, requestedAt: new Date(until.getTime() - 600_000) })
  const since = length === null ? undefined : new Date(until.getTime() - length)
  const list = async (before?: number): Promise<number[]> => {
    const { rows, next } = await readRuns(sql, {
      until,
      limit: 7,
      ...(since && { since }),
      ...(before && { before }),
    })
    return [...rows.map(({ id }) => id), ...(next === null ? [] : await list(next))]
  }
  const all = await sql<{ id: number }[]>`
    select id from viewkeeper.runs where requested_at < ${until} and requested_at >= ${since ?? new Date(0)} order by id desc`
  expect(await list()).toEqual(all.map(({ id }) => id))
})
