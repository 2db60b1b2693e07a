import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { counts } from '../../support/counts.ts'
import { administrator, callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { muchLater } from '../../support/waiting/until.ts'

// Real dumps in a loop beside exchanges in a loop: no dump fails, and what is restored from one lacks nothing.

const { database, sql, url } = useDatabase()
const folder = useFolders()
const run = promisify(execFile)
const program = (name: string) => join(process.env.POSTGRES as string, name)
/** Between two dumps exchanges get through. */
const longestPauseMs = 400

beforeAll(async () => {
  await sql.unsafe(`
    create schema app;
    create table app.t as select i as id, i % 7 as x, repeat('row', 20) as words from generate_series(1, 20000) i;
    create materialized view app.v as select x, count(*) as n from app.t group by x;
    create index v_n on app.v (n); create statistics app.v_s on x, n from app.v; comment on index app.v_n is 'by number';
    create view app.plain as select x from app.v;
    create materialized view app.low as select x, n from app.v; create unique index low_x on app.low (x);
    create materialized view app.top as select max(n) as n from app.low; create index top_n on app.top (n)`)
  for (let at = 0; at < 12; at++)
    await sql.unsafe(`
      create materialized view app.lone_${at} as select id, words from app.t where x = ${at % 7};
      create index lone_${at}_id on app.lone_${at} (id); create statistics app.lone_${at}_s on id, words from app.lone_${at}`)
})

const swap = (view: string) => refresh({ view, strategy: 'swap' }, callOn(database))

async function changeQuery(migrations: Awaited<ReturnType<typeof folder>>, at: number) {
  const indexes = [{ name: 'changed_id', unique: false, on: '("id")' }]
  await migrations.freeze([
    definition('changed', `select id, ${at} as version from app.t`, { schema: 'app', indexes }),
  ])
  const waitUntil = muchLater()
  const { applied } = await migrateUp(migrateCall(database, { waitUntil }), await migrations.read())
  return applied.length === 1 ? undefined : 'nothing was applied'
}

/** Each exchanges views once, and returns what went wrong. */
const ways: Record<string, () => Promise<() => Promise<unknown>>> = {
  swaps: async () => async () => (await swap('app.lone_0')).error,
  'swaps of a group': async () => async () => (await swap('app.v')).error,
  batches: async () => async () => {
    const batchId = await begin(database, { pattern: 'app.lone_*', concurrency: 2 })
    return (await advanceToEnd(database, batchId)).error
  },
  'changed queries': async () => {
    const migrations = await folder('changed')
    let at = 0
    return () => changeQuery(migrations, ++at)
  },
}

/** What a restore has to bring back. The query of a view that is being changed is one of its queries. */
const describeAll = (of: typeof sql) => of`
  select 'index' as kind, indexdef as what from pg_indexes where schemaname = 'app'
  union all select 'view', c.relname || coalesce(': ' || case when c.relname <> 'changed' then pg_get_viewdef(c.oid) end, '')
    from pg_class c where c.relnamespace = 'app'::regnamespace and c.relkind in ('m', 'v')
  union all select 'statistics', pg_get_statisticsobjdef(oid) from pg_statistic_ext
  union all select 'comment', description from pg_description where classoid = 'pg_class'::regclass and objoid = 'app.v_n'::regclass
  union all select 'rows', count(*)::text from app.lone_3
  order by 1, 2`

/** Every other dump has two workers. */
const parallel = ['-Fd', '-j', '2']

async function restore(path: string, kind: string[]) {
  const name = `restored_${randomUUID().slice(0, 8)}`
  await sql.unsafe(`create database ${name} template template0`)
  const target = new URL(url)
  target.pathname = `/${name}`
  const there = administrator(target.href)
  try {
    if (kind === parallel) await run(program('pg_restore'), ['--exit-on-error', '-d', target.href, path])
    else await run(program('psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', path, target.href])
    return await describeAll(there)
  } finally {
    await there.end({ timeout: 1 })
    await sql.unsafe(`drop database ${name} with (force)`)
  }
}

describe.each(Object.keys(ways))('dumps beside %s', (name) => {
  test('all succeed, and what is restored lacks nothing', async () => {
    const exchange = await ways[name]!()
    expect(await exchange()).toBeFalsy()
    let over = false
    let exchanged = 0
    const exchanging = (async () => {
      while (!over) {
        expect(await exchange()).toBeFalsy()
        exchanged++
      }
    })()
    const path = join(tmpdir(), `${randomUUID()}.dump`)
    const failed: string[] = []
    let restored: unknown
    for (let at = 0; at < counts.dumpsBesideExchanges; at++) {
      const kind = at % 2 === 0 ? [] : parallel
      await rm(path, { force: true, recursive: true })
      await run(program('pg_dump'), [...kind, '-f', path, url]).catch(({ stderr }) => failed.push(stderr))
      if (at % 5 === 0)
        restored = await restore(path, kind).catch((error) => failed.push(error.stderr ?? error.message))
      await pause(Math.random() * longestPauseMs)
    }
    over = true
    await exchanging
    await rm(path, { force: true, recursive: true })
    expect({ failed, exchanged }).toEqual({ failed: [], exchanged: expect.any(Number) })
    expect(exchanged).toBeGreaterThan(0)
    expect(restored).toEqual(await describeAll(sql))
  })
})
