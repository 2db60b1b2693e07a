import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { beforeAll, describe, expect, test } from 'vitest'
import { refresh } from '../../../../src/run/refresh.ts'
import type { Sql } from '../../../../src/server/database.ts'
import type { ProblemCode } from '../../../../src/words/problem.ts'
import { counts } from '../../../support/counts.ts'
import { deep, eachCase } from '../../../support/deep.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { ofTestsThemselves } from '../../../support/servers/settings.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { untilToldToComeBack } from '../../../support/waiting/told.ts'
import { until } from '../../../support/waiting/until.ts'

// After a swap, what another session committed meanwhile is there, and what it rolled back is not.

const { database, sql, url } = useDatabase()
const suffix = url.slice(-8)
const reader = `races_reader_${suffix}`
// Some changes are open from before a swap is planned until the swap waits for them; some swaps meet none.
const [longestChangeMs, longestRestMs] = [250, 120]
/** How a run in a race may end. */
const mayEnd: (ProblemCode | undefined)[] = [undefined, 'CatalogChanged', 'LockTimeout']

beforeAll(async () => {
  await sql.unsafe(`
    create role ${reader};
    create table base as select i as id, i % 10 as n from generate_series(1, 200) i`)
})

const swap = (view: string, more = {}) => refresh({ view, strategy: 'swap', ...more }, callOn(database))

/** Calls `work` with a session of its own. */
async function withSession<T>(work: (session: Sql) => Promise<T>): Promise<T> {
  const session = postgres(url, {
    max: 1,
    idle_timeout: 0,
    onnotice: () => {},
    connection: ofTestsThemselves,
  }) as Sql
  try {
    return await work(session)
  } finally {
    await session.end({ timeout: 1 })
  }
}

/** Something that is changed beside the swaps: the statement that sets a value, and a query that reads it. */
interface Change {
  to(value: number): string
  /** Reads tables of the catalog only, so that all of the answer is of one moment. */
  read: string
}

const relation = (name: string) =>
  `(select c.oid from pg_class c join pg_namespace s on s.oid = c.relnamespace where s.nspname = 'public' and c.relname = '${name}')`
const comment = (catalog: string, object: string) =>
  `select (select d.description from pg_description d where d.classoid = '${catalog}'::regclass and d.objoid = ${object}) as value`

const changes: Record<string, (view: string) => Change> = {
  'privileges on the view': (view) => ({
    to: (value) =>
      value % 2 === 0 ? `grant select on ${view} to ${reader}` : `revoke select on ${view} from ${reader}`,
    read: `
      select (count(*) = 0)::int::text as value from pg_class c, aclexplode(c.relacl) a
       where c.oid = ${relation(view)} and a.grantee = (select oid from pg_roles where rolname = '${reader}')`,
  }),
  'privileges on a column': (view) => ({
    to: (value) =>
      value % 2 === 0
        ? `grant select (n) on ${view} to ${reader}`
        : `revoke select (n) on ${view} from ${reader}`,
    read: `
      select (count(*) = 0)::int::text as value from pg_attribute t, aclexplode(t.attacl) a
       where t.attrelid = ${relation(view)} and a.grantee = (select oid from pg_roles where rolname = '${reader}')`,
  }),
  'the comment on an index': (view) => ({
    to: (value) => `comment on index ${view}_n is '${value}'`,
    read: comment('pg_class', relation(`${view}_n`)),
  }),
  'the name of an index': (view) => ({
    to: (value) =>
      `alter index ${view}_${value % 2 === 0 ? 'odd' : 'even'} rename to ${view}_${value % 2 === 0 ? 'even' : 'odd'}`,
    read: `select (${relation(`${view}_even`)} is null)::int::text as value`,
  }),
  'the options of an index': (view) => ({
    to: (value) => `alter index ${view}_n set (fillfactor = ${50 + (value % 50)})`,
    read: `select substr(c.reloptions[1], 12) as value from pg_class c where c.oid = ${relation(`${view}_n`)}`,
  }),
  'the comment on statistics': (view) => ({
    to: (value) => `comment on statistics ${view}_stat is '${value}'`,
    read: comment('pg_statistic_ext', `(select oid from pg_statistic_ext where stxname = '${view}_stat')`),
  }),
  'the target of statistics': (view) => ({
    to: (value) => `alter statistics ${view}_stat set statistics ${value % 1000}`,
    read: `select stxstattarget::text as value from pg_statistic_ext where stxname = '${view}_stat'`,
  }),
  'the name of statistics': (view) => ({
    to: (value) =>
      `alter statistics ${view}_s${value % 2 === 0 ? 'odd' : 'even'} rename to ${view}_s${value % 2 === 0 ? 'even' : 'odd'}`,
    read: `select (not exists (select from pg_statistic_ext where stxname = '${view}_seven'))::int::text as value`,
  }),
}

/** Whether the change has only two values, 0 and 1. */
const isSwitch = (kind: string): boolean => /^(privileges|the name)/.test(kind)

/** The value that a change leaves in the catalog. */
const leaves = (kind: string, value: number): string => {
  if (/options/.test(kind)) return String(50 + (value % 50))
  return String(/target/.test(kind) ? value % 1000 : value)
}

async function makeRaced(prefix: string, kind: string): Promise<string> {
  const view = `${prefix}_${Object.keys(changes).indexOf(kind)}`
  await sql.unsafe(`
    create materialized view ${view} as select * from base;
    create unique index on ${view} (id);
    create index ${view}_n on ${view} (n) with (fillfactor = 50);
    create index ${view}_odd on ${view} (id, n);
    create statistics ${view}_stat on id, n from ${view};
    create statistics ${view}_sodd (ndistinct) on id, n from ${view}`)
  return view
}

describe('swaps, while another session changes', () => {
  eachCase(Object.keys(changes), { quick: 2 })(
    '%s, wait for its end, and keep what it commits',
    async (kind) => {
      const view = await makeRaced('open', kind)
      const change = changes[kind]!(view)
      await withSession(async (session) => {
        const read = async () => (await session.unsafe(change.read))[0]?.value ?? null
        const value = isSwitch(kind) ? 1 - Number(await read()) : 2
        await session`begin`
        await session.unsafe(change.to(value))
        const [{ pid } = {}] = await session`select pg_backend_pid() as pid`
        const swapped = swap(view)
        await until('the swap waits', () =>
          sql`select from pg_locks l where ${pid} = any (pg_blocking_pids(l.pid))`.then(
            ({ length }) => length,
          ),
        )
        await session`commit`
        expect(mayEnd).toContain((await swapped).error?.class)
        expect(await read()).toBe(leaves(kind, value))
      })
    },
  )

  test.each(Object.keys(changes))(
    '%s, neither lose what it commits nor bring back what it undid',
    deep,
    async (kind) => {
      const view = await makeRaced('raced', kind)
      const change = changes[kind]!(view)
      let ended = false
      let committed = 0
      const differences: string[] = []
      const racing = withSession(async (session) => {
        let expected = (await session.unsafe(change.read))[0]?.value ?? null
        const look = async () => {
          const is = (await session.unsafe(change.read))[0]?.value ?? null
          if (is !== expected) differences.push(`committed ${expected}, and the catalog says ${is}`)
          expected = is
        }
        for (let count = 2; !ended; count++) {
          const value = isSwitch(kind) ? 1 - Number(expected) : count
          try {
            await session`begin`
            await session.unsafe(change.to(value))
            await pause(Math.random() * longestChangeMs)
            await session`commit`
            expected = leaves(kind, value)
            committed++
          } catch {
            await session`rollback` // nothing was changed
          }
          await look()
          await pause(Math.random() * longestRestMs) // so that nothing changes during some swaps
        }
      })
      const ends = new Map<ProblemCode | undefined, number>()
      // On a quick machine several swaps fit between two changes: they go on until enough was committed.
      const goesOn = (at: number) => at < counts.racedSwaps || committed <= counts.racedSwaps / 3
      for (let at = 0; goesOn(at); at++) {
        const { error } = await swap(view, { timeoutSeconds: 10 })
        ends.set(error?.class, (ends.get(error?.class) ?? 0) + 1)
      }
      ended = true
      await racing
      const others = [...ends.keys()].filter((end) => !mayEnd.includes(end))
      expect({ differences, others }).toEqual({ differences: [], others: [] })
      expect(committed).toBeGreaterThan(counts.racedSwaps / 3)
    },
  )
})

/** Reads a view again and again until its run was told to come back. A reader that the run locks out until then makes this fail. */
const readUntilToldToComeBack = (view: string) =>
  withSession(async (session) => {
    await session`set lock_timeout = '30s'`
    await untilToldToComeBack(sql, () => session.unsafe(`select count(*) from ${view}`))
  })

describe('readers are not locked out while', () => {
  test('a comment on an index is not committed', async () => {
    await sql.unsafe(
      'create materialized view commented as select * from base; create index commented_n on commented (n)',
    )
    await withSession(async (session) => {
      await session`begin`
      await session`comment on index commented_n is 'not yet'`
      const swapped = swap('commented')
      await readUntilToldToComeBack('commented')
      await session`commit`
      const { error } = await swapped
      expect(mayEnd).toContain(error?.class)
    })
  })

  test('somebody holds the row of the run', deep, async () => {
    await makeGatedView(sql, 'held_row', 'select 1 as id')
    await withSession((session) =>
      withGateClosed(sql, 'held_row', async (open) => {
        const { runId } = await refresh(
          { view: 'held_row', strategy: 'swap' },
          callOn(database, { waitUntil: 0 }),
        )
        await untilAtGate(sql, 'held_row')
        await session`begin`
        await session`select from viewkeeper.runs where id = ${runId} for update`
        await open()
        await readUntilToldToComeBack('held_row')
        await session`rollback`
        const status = await until('the run ends', async () => {
          const [row] =
            await sql`select status from viewkeeper.runs where id = ${runId} and status <> 'running'`
          return row?.status
        })
        expect(status).toBe('success')
      }),
    )
  })
})

describe("a refresh waits for an uncommitted grant, which is no failure of the view's SQL", () => {
  eachCase(
    (['regular', 'concurrent', 'swap'] as const).flatMap((strategy) =>
      (['commit', 'rollback'] as const).map((end) => [strategy, end] as const),
    ),
    { quick: 2 },
  )('%s, %s', async (strategy, end) => {
    const view = `granted_${strategy}_${end}`
    await sql.unsafe(
      `create materialized view ${view} as select * from base; create unique index on ${view} (id)`,
    )
    await withSession(async (session) => {
      await session`begin`
      await session.unsafe(`grant select on ${view} to ${reader}`)
      const refreshed = refresh({ view, strategy, timeoutSeconds: 20 }, callOn(database))
      await pause(1000)
      await session.unsafe(end)
      const { error } = await refreshed
      expect(mayEnd).toContain(error?.class)
      const [row] = await sql`select has_table_privilege(${reader}, ${view}, 'select') as granted`
      expect(row).toEqual({ granted: end === 'commit' })
    })
  })
})

describe('an index that is built concurrently', deep, () => {
  const builds = {
    create: (view: string) => `create index concurrently beside_${view} on ${view} (n)`,
    reindex: (view: string) => `reindex index concurrently ${view}_id`,
  }
  test.each(
    (['regular', 'swap'] as const).flatMap((strategy) =>
      (['create', 'reindex'] as const).map((build) => [strategy, build] as const),
    ),
  )(
    'is not ended by a deadlock with a refresh that waits for a reader, and that refresh does not fail (%s, %s)',
    async (strategy, build) => {
      const ends: { index: string; refresh: string }[] = []
      for (let tries = 1; tries <= counts.indexesBesideRefreshes; tries++) {
        const view = `built_beside_${strategy}_${build}_${tries}`
        await sql.unsafe(
          `create materialized view ${view} as select * from base; create index ${view}_id on ${view} (id)`,
        )
        await withSession(async (session) => {
          await session`begin`
          await session.unsafe(`select from ${view} limit 1`)
          const refreshed = swapOrRefresh(view, strategy)
          await untilLocking()
          const built = withSession((builder) =>
            builder.unsafe(builds[build](view)).then(
              () => 'built',
              ({ code }) => code,
            ),
          )
          await Promise.race([built, pause(1500)])
          await session`commit`
          ends.push({ index: await built, refresh: (await refreshed).error?.class ?? 'done' })
        })
      }
      expect(ends.map(({ index }) => index)).toEqual(ends.map(() => 'built'))
      expect(ends.map((end) => end.refresh)).not.toContain('ViewSqlFailed')
    },
  )

  const swapOrRefresh = (view: string, strategy: 'regular' | 'swap') =>
    refresh({ view, strategy, timeoutSeconds: 10 }, callOn(database))

  const untilLocking = () =>
    until('a run hunts for its lock', async () => {
      const [row] = await sql`
        select from pg_stat_activity where datname = current_database() and application_name like 'viewkeeper run % locking%'`
      return row !== undefined
    })
})
