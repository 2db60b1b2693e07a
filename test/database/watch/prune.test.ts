import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { prune } from '../../../src/keeper/jobs.ts'
import { insertRow, insertRows, updateRows } from '../../support/record/rows.ts'
import { muchLater, until } from '../../support/waiting/until.ts'
import { useHistory } from './past.ts'

const { database, sql, clear, writePast } = useHistory()

describe('pruning', () => {
  const retention = { successes: 5, days: 90 }

  /** Which runs stay, by the rule as people say it, written without a look at the product's SQL. */
  async function survivors({
    successes,
    days,
  }: {
    successes: number | null
    days: number
  }): Promise<number[]> {
    const runs = await sql`
      select r.id, r.definition_id, r.status, r.fills, r.finished_at < clock_timestamp() - make_interval(days => ${days}) as old,
             coalesce(b.finished_at is null and b.id is not null, false) as open
        from viewkeeper.runs r left join viewkeeper.batches b on b.id = r.batch_id order by r.id`
    const kept = new Set<number>()
    for (const of of Map.groupBy(runs, ({ definition_id: id }) => id).values()) {
      const succeeded = of.filter(({ status }) => status === 'success')
      const last = [
        succeeded.findLast(({ fills }) => fills),
        of.findLast(({ status }) => status === 'failed'),
      ]
      const keep = successes === null ? succeeded.filter(({ old }) => !old) : succeeded.slice(-successes)
      const others = of.filter(({ status, old }) => status !== 'success' && !old)
      for (const run of [
        ...last,
        ...keep,
        ...others,
        ...of.filter(({ open, status }) => open || status === 'running'),
      ]) {
        if (run) kept.add(run.id)
      }
    }
    return [...kept].sort((a, b) => a - b)
  }

  // The prune skips a table on which an autovacuum works, and an analyze that goes on, of any table, keeps rows from being visible to all.
  beforeAll(async () => {
    const tables = await sql<{ name: string }[]>`
      select oid::regclass::text as name from pg_class where relnamespace = 'viewkeeper'::regnamespace and relkind = 'r'`
    for (const { name } of tables) await sql.unsafe(`alter table ${name} set (autovacuum_enabled = off)`)
  })

  /** What ended 200 days ago. */
  const then = sql`now() - interval '200 days'`
  const old = { status: 'success', requestedAt: then, finishedAt: then }

  beforeEach(async () => {
    await clear()
    await insertRow(sql, 'batches', { id: 'open-batch', status: 'running' })
    for (const id of ['old-batch', 'kept-batch']) await insertRow(sql, 'batches', { id, ...old })
    const statuses = ['success', 'success', 'success', 'failed', 'skipped', 'canceled']
    await writePast([
      ...Array.from({ length: 600 }, (_, at) => ({
        view: ['steady', 'shaky', 'quiet'][at % 3] as string,
        // No run is a whole number of days old: the test and the prune look at the clock at different moments.
        ago: `${200.5 - at / 3} days`,
        status: at % 3 === 1 ? (statuses[(at * 7) % 5] as string) : 'success',
      })),
      { view: 'fresh', ago: '199 days', batchId: 'kept-batch' },
      { view: 'fresh', ago: '198 days', status: 'failed', batchId: 'open-batch' },
      { view: 'fresh', ago: '197 days', status: 'canceled' },
      { view: 'fresh', ago: '196 days', status: 'failed' },
      { view: 'fresh', ago: '195 days', operation: 'drop' },
    ])
  })

  test.each([
    retention,
    { successes: 1, days: 1 },
    { successes: null, days: 30 },
    { successes: 10_000, days: 10_000 },
  ])('keeps what %j says, each last success and last failure, and what is open', async (rule) => {
    const expected = await survivors(rule)
    const before = (await sql`select count(*)::int as count from viewkeeper.runs`)[0]?.count as number
    const pruned = await prune(database, rule, muchLater())
    expect(pruned).toMatchObject({ done: true, runs: before - expected.length })
    const left = await sql`select id from viewkeeper.runs order by id`
    expect(left.map(({ id }) => id)).toEqual(expected)
  })

  test('keeps what programs have not been told of yet', async () => {
    const [first] = await sql`select min(id) as id from viewkeeper.runs where view_name = 'steady'`
    const announcedAt = sql`'-infinity'`
    await updateRows(sql, 'runs', {}, { announcedAt, batchId: null })
    await updateRows(sql, 'runs', { id: first!.id }, { announcedAt: null })
    await updateRows(sql, 'batches', { id: 'old-batch' }, { announcedAt })
    const rule = { successes: 1, days: 1 }
    await prune(database, { ...rule, programs: true }, muchLater())
    expect(await sql`select from viewkeeper.runs where id = ${first!.id}`).toHaveLength(1)
    const batches = () => sql`select id from viewkeeper.batches where finished_at is not null`
    expect(await batches()).toEqual([{ id: 'kept-batch' }])
    await prune(database, rule, muchLater())
    expect(await sql`select from viewkeeper.runs where id = ${first!.id}`).toHaveLength(0)
    expect(await batches()).toEqual([])
  })

  test('keeps runs of no view by age alone, successes and failures', async () => {
    await updateRows(sql, 'runs', { viewName: ['quiet', 'shaky'] }, { definitionId: null })
    const ofNoView = () => sql<{ old: boolean; count: number }[]>`
      select finished_at < clock_timestamp() - interval '90 days' as old, count(*)::int as count
        from viewkeeper.runs where definition_id is null group by 1 order by 1`
    const before = await ofNoView()
    await prune(database, { successes: 10_000, days: 90 }, muchLater())
    expect(await ofNoView()).toEqual(before.filter(({ old }) => !old))
  })

  test('takes a run that has led a group, also if a run that it has led stays', async () => {
    const [run] = await sql`
      select max(id) filter (where view_name = 'quiet') as id, min(id) filter (where view_name = 'steady') as leader
        from viewkeeper.runs`
    await updateRows(sql, 'runs', { id: run!.id }, { groupRunId: run!.leader })
    await prune(database, retention, muchLater())
    const left = await sql`select id from viewkeeper.runs where id in (${run!.id}, ${run!.leader})`
    expect(left).toEqual([{ id: run!.id }])
  })

  /** Prunes until the vacuum has left nothing: an analyze of the catalogs that goes on may keep rows from being visible to all. */
  const untilVisible = (pruneAgain: () => Promise<unknown>) =>
    until('all runs are visible to all', async () => {
      await pruneAgain()
      const [runs] = await sql`
        select relpages > 0 and relallvisible = relpages as visible from pg_class where oid = 'viewkeeper.runs'::regclass`
      return runs?.visible
    })

  test('leaves nothing behind that later reads have to pass', async () => {
    await untilVisible(() => prune(database, retention, muchLater()))
  })

  test('vacuums also for a login that may not remove actions, and says so', async () => {
    await sql.unsafe(`
      create function no_actions() returns trigger language plpgsql as $$ begin raise insufficient_privilege; end $$;
      create trigger no_actions before delete on viewkeeper.actions for each statement execute function no_actions()`)
    await untilVisible(() =>
      expect(prune(database, retention, muchLater())).rejects.toMatchObject({
        code: 'InsufficientPrivilege',
      }),
    )
    await sql`drop function no_actions cascade`
  })

  test('takes old batches whose runs are gone, and no other', async () => {
    expect(await prune(database, retention, muchLater())).toMatchObject({ batches: 1 })
    const left = await sql`select id from viewkeeper.batches order by id`
    expect(left.map(({ id }) => id)).toEqual(['kept-batch', 'open-batch'])
  })

  test('takes any number of batches, in pieces', async () => {
    await insertRows(sql, 'batches', Array(1200).fill(old))
    expect(await prune(database, retention, muchLater())).toMatchObject({ batches: 1201, done: true })
  })

  test('ends when its time is up, and the next one goes on', async () => {
    expect(await prune(database, retention, Date.now() + 4000)).toEqual({ runs: 0, batches: 0, done: false })
    const expected = await survivors(retention)
    expect(await prune(database, retention, muchLater())).toMatchObject({ done: true })
    expect((await sql`select id from viewkeeper.runs`).length).toBe(expected.length)
    expect(await prune(database, retention, muchLater())).toEqual({ runs: 0, batches: 0, done: true })
  })
})
