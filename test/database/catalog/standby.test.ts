import { afterAll, beforeAll, expect, test } from 'vitest'
import { cancelBatch } from '../../../src/batch/end.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { diffView } from '../../../src/migrate/authoring/diff.ts'
import { migrateDown } from '../../../src/migrate/migrate.ts'
import { forTrials } from '../../../src/migrate/try-frozen.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { drop } from '../../../src/run/drop.ts'
import { getRun } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database } from '../../../src/server/database.ts'
import { putBack, setAside } from '../../../src/set-aside/set-aside.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { type Known, reads } from '../../support/api/reads.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, schemaFolder } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { type Standby, startStandby } from '../../support/servers/standby.ts'
import type { TestServer } from '../../support/servers/test-server.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// A primary and a standby that streams from it.

const { server: primary, sql, database } = await startOwnServer()
let standby: Standby | undefined
let replica: Database
let known: Known

beforeAll(async () => {
  standby = await startStandby(primary)
  replica = connectTo(fromUrl(standby.url))
  await sql.unsafe('create materialized view met as select 1 as id')
  const { runId } = await refresh({ view: 'met' }, callOn(database))
  const batchId = await begin(database, { views: ['met'] })
  await advanceToEnd(database, batchId)
  await sql`create materialized view unmet as select 1 as id with no data`
  known = { view: 'public.met', unmet: 'public.unmet', runId, batchId }
  await standby?.caughtUp()
})

afterAll(() => standby?.stop())

eachCase(Object.keys(reads), { quick: 2 })('%s answers on a standby as on its primary', async (read) => {
  expect(await reads[read]!(replica, known)).toEqual(await reads[read]!(database, known))
})

test('a run that is running on the primary is running on its standby, too', deep, async () => {
  await makeGatedView(sql, 'gated')
  await withGateClosed(sql, 'gated', async (open) => {
    const { runId } = await refresh({ view: 'gated' }, callOn(database, { waitUntil: 0 }))
    await untilAtGate(sql, 'gated')
    await standby?.caughtUp()
    expect(await getRun(replica, runId)).toMatchObject({ status: 'running' })
    await open()
  })
})

test('SQL on a standby tells the age of what the standby shows', async () => {
  await sql.unsafe(`
    create role reporting login password 'secret'; grant select on met to reporting;
    grant usage on schema viewkeeper to reporting; grant select on viewkeeper.freshness to reporting`)
  // What a grant hides, nobody can know.
  await refresh({ view: 'met' }, callOn(database))
  await standby?.caughtUp()
  const reader = (at: TestServer | undefined) =>
    connectTo(fromUrl(at?.url.replace(/\/\/[^@]*@/, '//reporting:secret@') ?? ''))
  const told = (at: TestServer | undefined) =>
    reader(at).withConnection(
      (sql) => sql<{ at: string; fresh: boolean }[]>`
        select viewkeeper.as_of('public.met')::text as at, viewkeeper.require_fresh('public.met', '1 hour') as fresh`,
    )
  const before = await told(standby)
  expect(before).toEqual(await told(primary))
  await standby?.sql.unsafe('select pg_wal_replay_pause()')
  await refresh({ view: 'met', strategy: 'swap' }, callOn(database))
  expect(await told(standby)).toEqual(before)
  const after = await told(primary)
  expect(after).not.toEqual(before)
  await standby?.sql.unsafe('select pg_wal_replay_resume()')
  await standby?.caughtUp()
  expect(await told(standby)).toEqual(after)
})

const writes: Record<string, () => Promise<unknown>> = {
  'a refresh': () => refresh({ view: 'met' }, callOn(replica)),
  'a refresh of a view without a definition': () => refresh({ view: 'unmet' }, callOn(replica)),
  'a drop': () => drop({ view: 'met' }, callOn(replica)),
  'a batch': () => startBatch({ all: true }, callOn(replica)),
  'a pause of a view': () => pauseView(replica, 'met', true, 'test'),
  'a pause of everything': () => pauseAll(replica, true, 'test'),
  'the monitor': () => monitor(replica, { schedules: unscheduled, publish: unheard }),
  'a set-aside': () => setAside(replica, { reading: ['met'], dryRun: false, requestedBy: 'test', huntMs: 0 }),
  'a put-back': () => putBack(replica, { given: [], forgotten: [], dryRun: false, requestedBy: 'test' }),
  'a migration of schema viewkeeper': () => migrate(replica, schemaFolder),
  'a migration of views': () => migrateDown({ ...callOn(replica), trigger: 'cli', withData: true }, [], 1),
  'a trial of migrations': () => forTrials(replica, async () => {}),
  'a comparison of data': () => diffView(replica, { schema: 'public', name: 'met' }, null),
  'a cancel': () => cancel(known.runId, callOn(replica)),
  'a cancel of a batch': () => cancelBatch(known.batchId, callOn(replica)),
}

test.each(Object.keys(writes))('%s on a standby is refused, and says where to write', async (write) => {
  const { code, message } = await refusalOf(writes[write]!())
  expect(code).toBe('DatabaseReadOnly')
  expect(message).toMatch(/^This server is a standby, which only reads\. Give the address of the primary/)
})

test('an address of several servers finds the one that writes, past one that is away and past a standby, and says so if there is none', async () => {
  const [writer, reader] = [new URL(primary.url), new URL(standby!.url)]
  const at = (hosts: string) =>
    connectTo(fromUrl(`postgres://${writer.username}:${writer.password}@${hosts}${writer.pathname}`))
  const away = '127.0.0.1:1'
  const writes = at([away, reader.host, writer.host].join(','))
  expect(await writes.withConnection((sql) => sql`select pg_is_in_recovery() as it`)).toEqual([{ it: false }])
  await expect(
    at([reader.host, reader.host].join(',')).withConnection((sql) => sql`select`),
  ).rejects.toMatchObject({
    code: 'DatabaseReadOnly',
  })
})
