// @module-tag deep

import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { counts } from '../../support/counts.ts'
import { callOn, readersOf, useDatabase } from '../../support/servers/database.ts'
import { untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'

const { database, sql, url } = useDatabase()

/** Three views and a plain one between them; each shows in `version` which state of the table it was made of. */
async function makeGroup(schema: string): Promise<void> {
  await sql.unsafe(`
    create schema ${schema};
    create table ${schema}.t (version int); insert into ${schema}.t values (1);
    create function ${schema}.slow(int) returns int language plpgsql stable as $$ begin perform pg_advisory_xact_lock_shared(hashtext('${schema}')); perform pg_sleep(0.005); return $1; end $$;
    create materialized view ${schema}.a as select ${schema}.slow(version) as version from ${schema}.t;
    create unique index on ${schema}.a (version);
    create view ${schema}.p as select version from ${schema}.a;
    create materialized view ${schema}.b as select ${schema}.slow(p.version) as version from ${schema}.p, ${schema}.a;
    create materialized view ${schema}.c as select ${schema}.slow(b.version) as version from ${schema}.b, ${schema}.a;
    create view ${schema}.outside as select c.version as c, p.version as p from ${schema}.c, ${schema}.p`)
}

/** Readers may keep an exchange waiting for long. */
const swap = (schema: string) =>
  refresh({ view: `${schema}.a`, strategy: 'swap', force: true }, callOn(database))

const oids = async (schema: string): Promise<number[]> => {
  const rows =
    await sql`select c.oid::int8 as oid from pg_class c where relnamespace = ${schema}::regnamespace and relkind in ('m', 'v') and relname <> 'outside' order by relname`
  return rows.map(({ oid }) => oid)
}

const leftovers = () => sql`select nspname from pg_namespace where nspname like 'viewkeeper\\_%'`

test('readers of several members never see an error, nor members of two states, while the group is exchanged again and again', async () => {
  await makeGroup('read')
  const last = counts.exchangesUnderReaders + 1
  const readers = readersOf(url)
  let reads = 0
  let over = false
  const failures: unknown[] = []
  const queries = [
    `select (select version from read.a) as a, (select version from read.b) as b, (select version from read.c) as c`,
    `select (select version from read.c) as a, (select version from read.p) as b, (select version from read.a) as c`,
    `select p as a, c as b, (select version from read.b) as c from read.outside`,
    `with x as (select version from read.b) select x.version as a, y.version as b, y.version as c from x, read.a y`,
  ]
  const reading = queries.map(async (query) => {
    while (!over) {
      try {
        const [row] = await readers.unsafe(query)
        if (row?.a !== row?.b || row?.b !== row?.c) failures.push(row)
        reads++
      } catch (error) {
        failures.push(error)
      }
      // Readers in opposite orders that never pause would keep each exchange waiting for long.
      await pause(Math.random() * 10)
    }
  })
  try {
    for (let version = 2; version <= last; version++) {
      await sql`update read.t set version = ${version}`
      const { status, error } = await swap('read')
      expect([status, error]).toEqual(['updated', undefined])
    }
  } finally {
    over = true
    await Promise.all(reading)
    await readers.end()
  }
  expect(failures).toEqual([])
  expect(reads).toBeGreaterThan(counts.exchangesUnderReaders * 2)
  expect(await sql`select c, p from read.outside`).toEqual([{ c: last, p: last }])
  expect(await leftovers()).toEqual([])
})

test('a refresh that is killed at any moment leaves the old group or the new one, and nothing else', async () => {
  await makeGroup('killed')
  const began = performance.now()
  expect(await swap('killed')).toMatchObject({ status: 'updated' })
  const wholeMs = performance.now() - began
  const kill = () =>
    sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'viewkeeper run %' and datname = current_database()`
  // The first kill comes while the refresh is building, the last one when the refresh is over: so both ends are seen
  // on any machine.
  const killWhileBuilding = () =>
    withGateClosed(sql, 'killed', async () => {
      const answer = swap('killed').catch((error) => error)
      await untilAtGate(sql, 'killed')
      await kill()
      await answer
    })
  const killAfter = (part: number) => async () => {
    const answer = swap('killed').catch((error) => error)
    await pause(wholeMs * part)
    await kill()
    await answer
  }
  const kills = [
    killWhileBuilding,
    ...Array.from({ length: counts.killedExchanges }, (_, at) =>
      killAfter((1.1 * at) / counts.killedExchanges),
    ),
    async () => {
      await swap('killed')
      await kill()
    },
  ]
  const ends = { old: 0, new: 0 }
  for (const [at, refreshAndKill] of kills.entries()) {
    const version = at + 2
    await sql`update killed.t set version = ${version}`
    const before = await oids('killed')
    await refreshAndKill()
    const after = await oids('killed')
    const [{ a, b, c, p } = {}] =
      await sql`select (select version from killed.a) as a, (select version from killed.b) as b, c, p from killed.outside`
    expect(new Set([a, b, c, p]).size, `after kill ${at}`).toBe(1)
    if (a === version) {
      ends.new++
      expect(after.filter((oid) => before.includes(oid))).toEqual([])
    } else {
      ends.old++
      expect(after).toEqual(before)
    }
    expect(await leftovers()).toEqual([])
    // Skipped: the run was planned again, because its first process was killed before the claim.
    const open =
      await sql`select from viewkeeper.runs r where schema_name = 'killed' and status = 'success' and exists (
      select from viewkeeper.runs o where o.group_run_id = r.id and o.status not in ('success', 'skipped'))`
    expect(open).toHaveLength(0)
  }
  expect(ends.old).toBeGreaterThan(0)
  expect(ends.new).toBeGreaterThan(0)
  expect(await swap('killed')).toMatchObject({ status: 'updated' })
})
