import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readFacts } from '../../../src/record/definitions/state-facts.ts'
import { failureOf, leftOutSince } from '../../../src/record/runs/failing.ts'
import { readRuns } from '../../../src/record/runs/history.ts'
import { prepareKept, pruneRange } from '../../../src/record/watch/prune.ts'
import { counts } from '../../support/counts.ts'
import { deep } from '../../support/deep.ts'
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
const write = (runs: (typeof histories extends fc.Arbitrary<infer Value> ? Value : never)[number][]) => sql`
  with x as (
    select d.id, d.name, r.*, clock_timestamp() - r.at * interval '100 minutes' - interval '10 hours' as requested
      from jsonb_to_recordset(${sql.json(runs.map((run, at) => ({ fills: true, operation: 'refresh', unneeded: false, ...outcomes[run.outcome], ...run, at: runs.length - at })))})
        as r(view text, at integer, lasted integer, published boolean, status text, fills boolean, class text, operation text, unneeded boolean)
      join viewkeeper.definitions d on d.name = r.view)
  insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, requested_at, started_at, finished_at, published_at, fills, error, as_of)
  select id, 'public', name, operation, status, 'schedule', requested, requested, requested + lasted * interval '1 minute', case when published then clock_timestamp() end, fills,
         case when class is not null then jsonb_build_object('class', class) end,
         case when unneeded then requested end
    from x order by at desc`

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
        await write(runs)
        await expectTruth()
        await sql`update viewkeeper.runs set finished_at = finished_at + interval '1 hour' where id % 5 = 0`
        await expectTruth()
        await sql`update viewkeeper.runs set published_at = clock_timestamp() where published_at is null and id % 2 = 0`
        await expectTruth()
        await sql`
        delete from viewkeeper.runs where id in (
          select id from (select id, row_number() over (order by id) as place from viewkeeper.runs) r
           where place in (select value::integer + 1 from jsonb_array_elements_text(${sql.json(runs.flatMap(({ removed }, at) => (removed ? [at] : [])))})))`
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
    await sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, finished_at, published_at, error)
    select d.id, 'public', d.name, 'refresh', (array['failed', 'skipped', 'success'])[1 + n % 3], 'http', clock_timestamp(), clock_timestamp(),
           (array['{"class": "ViewSqlFailed"}', '{"class": "UpstreamFailed"}', null])[1 + n % 3]::jsonb
      from viewkeeper.definitions d, generate_series(1, 3000) n`
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
  await sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, requested_at, finished_at)
    select d.id, 'public', d.name, 'create', 'success', 'http', ${until}::timestamptz - interval '10 minutes', now()
      from viewkeeper.definitions d`
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
