import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startDueBatch } from '../../../src/batch/start.ts'
import { type Leader, leadInTurn, type Standing } from '../../../src/keeper/lead.ts'
import type { Database } from '../../../src/server/database.ts'
import { readForeignHolders, reservedKeys, runLockClass } from '../../../src/server/lock-keys.ts'
import { administrator, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin, define } from '../../support/views/batches.ts'
import { until } from '../../support/waiting/until.ts'

const { sql, database, url, as } = useDatabase()
const login = `eve_${process.pid}_${Date.now()}`

beforeAll(async () => {
  await sql.unsafe(`create role ${login} login password 'secret'`)
})

/** A copy that leads in turn with others, until the test ends. `pid` is the process of the server that it leads with. */
function copyOf(on: Database = database) {
  const stop = new AbortController()
  const copy = { standing: undefined as Standing | undefined, pid: 0, led: 0, stop: () => stop.abort() }
  const done = leadInTurn(on, {
    obeys: 'the same',
    signal: stop.signal,
    onStanding(standing) {
      copy.standing = standing
    },
    async work(leader: Leader) {
      copy.led++
      const [row] = await leader.ask((asked) => asked<[{ pid: number }]>`select pg_backend_pid() as pid`)
      copy.pid = row.pid
      while (!leader.signal.aborted) await leader.ask((asked) => asked`select pg_sleep(0.1)`)
    },
  })
  onTestFinished(async () => {
    stop.abort()
    await done
  })
  return copy
}

const leads = (copy: ReturnType<typeof copyOf>) => until('the copy leads', async () => copy.pid > 0)

/** A session of a login that may only connect, with these locks of ours. */
async function foreign(...keys: number[]) {
  const eve = administrator(as(login).url.replace(/$/, '?application_name=psql'))
  onTestFinished(() => eve.end({ timeout: 1 }))
  const held = await eve.reserve()
  for (const key of keys) await held`select pg_advisory_lock(${runLockClass}, ${key})`
  const [row] = await held<[{ pid: number }]>`select pg_backend_pid() as pid`
  return { pid: row.pid, release: async () => void (await held`select pg_advisory_unlock_all()`) }
}

test('a login that holds the lock of the lead keeps nobody from leading, and is named; one copy leads, before and after', async () => {
  const { pid, release } = await foreign(reservedKeys.lead)
  const [first, second] = [copyOf(), copyOf()]
  const [leader, other] = await until('one copy leads', async () => {
    const all = [first, second].toSorted((one, two) => two.pid - one.pid)
    return all[0]!.pid > 0 && all[1]!.standing === 'follows' && all
  })
  expect(await readForeignHolders(sql)).toEqual([{ pid, role: login, application: 'psql', locks: 1 }])
  await release()
  const third = copyOf()
  await until('the third copy follows', async () => third.standing === 'follows')
  expect([leader!.led, other!.led, third.led]).toEqual([1, 0, 0])
  const since = performance.now()
  leader!.stop()
  await until('another copy leads', async () => other!.led + third.led === 1)
  expect(performance.now() - since).toBeLessThan(15_000)
})

test('a leader whose session is ended is followed by one copy, also beside a login that takes the lock', async () => {
  await foreign(reservedKeys.lead)
  const copies = [copyOf(), copyOf(), copyOf()]
  const leader = await until('one copy leads', async () => copies.find(({ pid }) => pid > 0))
  await sql`select pg_terminate_backend(${leader.pid})`
  await until('one copy leads again', async () => copies.reduce((sum, { led }) => sum + led, 0) === 2)
  const leading = await sql`
    select from viewkeeper.switches s join pg_stat_activity a on a.pid = (s.value ->> 'pid')::integer
     where s.key = 'leader' and a.application_name = 'viewkeeper leading'`
  expect(leading).toHaveLength(1)
})

test('a copy of an older version that leads by the lock alone is followed, and one of another database is not', async () => {
  await sql`delete from viewkeeper.switches where key = 'leader'`
  const older = await database.open({ application_name: 'viewkeeper leading' })
  onTestFinished(older.leave)
  await older.sql`select pg_advisory_lock(${runLockClass}, ${reservedKeys.lead})`
  const copy = copyOf()
  await until('the copy follows', async () => copy.standing === 'follows')
  // As in a copy of this database: the session is there, and works elsewhere.
  const elsewhere = administrator(url.replace(/\/t_\w+$/, '/postgres'))
  onTestFinished(() => elsewhere.end({ timeout: 1 }))
  const there = await elsewhere.reserve()
  const [session] = await there`select pg_backend_pid() as pid`
  await sql`
    insert into viewkeeper.switches (key, value)
    select 'leader', jsonb_build_object('obeys', 'the same', 'pid', pid, 'role', usesysid::int8, 'since', backend_start)
      from pg_stat_activity where pid = ${session!.pid}
    on conflict (key) do update set value = excluded.value`
  expect(copy.led).toBe(0)
  await older.leave()
  await leads(copy)
})

describe('a login that holds every lock of ours but those of runs', () => {
  const keys = [reservedKeys.lead, -3, ...Array.from({ length: 200 }, (_, serial) => -1000 - serial)]

  test('does not stop what is due by target lags', async () => {
    await sql.unsafe(`
      create table lagging as select 1 as id; create schema lag; create materialized view lag.late as select id from lagging`)
    await define(sql, 'lag.late', { target_lag_seconds: 60 })
    await sql`update viewkeeper.definitions set created_at = created_at - interval '1 day'`
    await foreign(...keys)
    const batch = await startDueBatch({ database, idempotencyKey: null }, { everySeconds: 60 })
    expect(batch).toMatchObject({ status: 'pending' })
    expect(await advanceToEnd(database, batch!.batchId)).toMatchObject({ status: 'success' })
  })

  test('does not stop a batch whose views are exchanged together', async () => {
    await sql.unsafe(`
      create materialized view below as select 1 as id; create materialized view above as select id from below`)
    await foreign(...keys)
    const batchId = await begin(database, { views: ['below', 'above'] })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(
      await sql`select from viewkeeper.batch_groups where batch_id = ${batchId} and given_up is null`,
    ).toHaveLength(1)
  })
})
