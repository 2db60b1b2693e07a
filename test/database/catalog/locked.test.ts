import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { reads } from '../../support/api/reads.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deep } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { type Holder, holdLocks, whileLocked } from '../../support/waiting/holder.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { database, sql, url } = useDatabase()
const folder = useFolders()

/** The database, where no statement waits for a lock for longer: what is not asked `unlessLocked` fails instead. */
const waitingAtMost = (ms: number): Database => ({
  ...database,
  withConnection: (work, options) =>
    database.withConnection(work, {
      ...options,
      startUp: { ...options?.startUp, lock_timeout: String(ms) },
    }),
})

/** Statements of ours wait for each other, too, but only the holder has its locks for so long. */
const impatient = waitingAtMost(15_000)

const views = ['met', 'unmet', 'above', 'beside', 'keyed']
let holder: Holder
let known: Parameters<(typeof reads)[string]>[1]

beforeAll(async () => {
  await sql.unsafe(`
    create table base as select 1 as id;
    create materialized view met as select id from base; create materialized view unmet as select 1 as id with no data;
    create view between as select id, 'x'::text as x from met;
    create materialized view above as select id, x from between; create materialized view beside as select 1 as id;
    create materialized view keyed as select 1 as id, 2 as n; create unique index on keyed (id); create index on keyed ((id + 1)) where n > 0;
    create statistics keyed_both on (id + 1), n from keyed`)
  await define(sql, 'public.beside', {
    skip_unchanged: true,
    max_staleness_seconds: 1,
  })
  await define(sql, 'public.met', { skip_unchanged: true, target_lag_seconds: 60 })
  const { runId } = await refresh({ view: 'met' }, callOn(database))
  const batchId = await begin(database, { views: ['met', 'above', 'beside', 'keyed'] })
  await advanceToEnd(database, batchId)
  known = { view: 'public.met', unmet: 'public.unmet', runId, batchId }
  const all = [...views, 'between', 'base', 'keyed_id_idx', 'keyed_expr_idx']
  holder = await holdLocks(
    url,
    // A reset of what is not set changes nothing, but locks exclusively.
    `${views.map((view) => `alter materialized view ${view} reset (pages_per_range)`).join('; ')};
     alter index keyed_id_idx reset (fillfactor); alter view between reset (security_barrier); lock table base in access exclusive mode`,
  )
  const locked = await sql`
    select from pg_locks l join pg_class c on c.oid = l.relation
     where l.pid = ${holder.pid} and l.mode = 'AccessExclusiveLock' and c.relname in ${sql(all)}`
  expect(locked.length).toBeGreaterThanOrEqual(views.length + 2)
})
afterAll(() => holder.letGo())

describe('while somebody holds every view of the database exclusively', () => {
  test.each(Object.keys(reads))('%s answers', async (read) => {
    await reads[read]!(impatient, known)
  })

  test('the monitor looks', async () => {
    await monitor(impatient, {
      schedules: unscheduled,
      publish: unheard,
      looks: { everySeconds: 60 },
    })
  })

  test('the doctor answers, and names for each view who holds it', async () => {
    const { views: found } = await doctor(impatient, { views: 'all', role: null })
    for (const view of views)
      expect(found.find(({ name }) => name === view)?.swap[0]?.because).toMatch(
        new RegExp(`${view} is locked: process ${holder.pid} \\(role [^)]*application "a long report"`),
      )
  })

  test('a batch is planned, and refreshes a view that nobody holds', async () => {
    await sql`create materialized view free as select 1 as id`
    const batchId = await begin(impatient, { views: ['free'] })
    expect(await advanceToEnd(impatient, batchId)).toMatchObject({ status: 'success' })
    await begin(impatient, { all: true })
  })

  test('another view is frozen, migrated and changed', deep, async () => {
    const frozen = await folder('beside')
    const first = definition('other', 'select 1 as id')
    await frozen.freezeOn(impatient, [first])
    await migrateUp(migrateCall(impatient), await frozen.read())
    await frozen.freezeOn(impatient, [{ ...first, sql: 'select 2 as id, 3 as n' }])
    await migrateUp(migrateCall(impatient), await frozen.read())
    expect(await sql`select id, n from other`).toEqual([{ id: 2, n: 3 }])
  })
})

test('a statement that waits for a lock in vain names the relation and who holds it', async () => {
  await sql`create table alone as select 1 as id`
  await whileLocked(url, 'lock table alone in access exclusive mode', async ({ pid }) => {
    const { code, message } = await refusalOf(
      waitingAtMost(1000).withConnection((sql) => sql`select from public.alone`),
    )
    expect(code).toBe('LockTimeout')
    expect(message).toMatch(
      new RegExp(
        `process ${pid} \\(role .*application "a long report".*AccessExclusiveLock on public\\.alone`,
      ),
    )
  })
})
