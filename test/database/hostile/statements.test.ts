import { measureQuery } from '../../../src/catalog/db/try-query.ts'
import { keptMark } from '../../../src/sql/names.ts'
// @module-tag deep

import { expect, test } from 'vitest'
import { createToken } from '../../../serve/tokens.ts'
import { cancelBatch } from '../../../src/batch/end.ts'
import { getBatch, listBatches, listOpenBatches } from '../../../src/batch/read-batches.ts'
import { startBatch, startDueBatch } from '../../../src/batch/start.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { handOut } from '../../../src/events/hand-out.ts'
import { prune } from '../../../src/keeper/jobs.ts'
import { keeperOf } from '../../../src/keeper/keeper.ts'
import { repairViews } from '../../../src/migrate/apply-migrations.ts'
import { findBadRow } from '../../../src/migrate/authoring/bad-row.ts'
import { readCronFacts } from '../../../src/migrate/authoring/cron-jobs.ts'
import { describeViews } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import {
  bringUp,
  migrateDown,
  migrateUp,
  migrationStatus,
  refuseOtherFolders,
} from '../../../src/migrate/migrate.ts'
import { migrate, readSchemaSteps } from '../../../src/own-schema/apply.ts'
import { createRole, readSituation } from '../../../src/own-schema/create-role.ts'
import { applySchema } from '../../../src/own-schema/db/apply-steps.ts'
import { upgradeSchema } from '../../../src/own-schema/upgrade.ts'
import { hasShortLags, readBehindLogs, readLogSizes } from '../../../src/record/definitions/behind-logs.ts'
import { leaveToCron } from '../../../src/record/definitions/discovered.ts'
import { readScheduled } from '../../../src/record/definitions/expectations.ts'
import { sinceUnmarked } from '../../../src/record/definitions/kept-marks.ts'
import { readView } from '../../../src/record/definitions/look.ts'
import { setQuiet } from '../../../src/record/definitions/pauses.ts'
import {
  forgetOthers,
  isAnythingToSend,
  noteRefusal,
  readChannels,
  readDue,
  readDueChannels,
  removeDelivery,
  writeDeliveries,
} from '../../../src/record/events/outbox.ts'
import { giveKeyBack, hasExchangedMeanwhile } from '../../../src/record/runs/runs.ts'
import { obeysOthers } from '../../../src/record/runs/turns.ts'
import { findToken, listTokens, noteUse, revokeToken } from '../../../src/record/tokens/tokens.ts'
import { readViewIncidents } from '../../../src/record/watch/incidents.ts'
import { beginMonitoring, readSteps } from '../../../src/record/watch/looks.ts'
import { readLost } from '../../../src/record/watch/parts.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { listRuns } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { readFix } from '../../../src/server/own-rights.ts'
import { alter, putBack, setAside } from '../../../src/set-aside/set-aside.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { checkView } from '../../../src/watch/check.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import {
  explainRun,
  getDays,
  getMetrics,
  getView,
  listActions,
  listViews,
} from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { callOn, schemaFolder } from '../../support/servers/database.ts'
import { login, useHostileDatabase } from '../../support/servers/hostile.ts'
import { makeHostileNames } from '../../support/servers/hostile-names.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { whatIsExecuted, withoutExecution } from '../../support/waiting/executed.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { muchLater, until } from '../../support/waiting/until.ts'
import { untilWaitingAgain } from '../../support/waiting/waiting.ts'

// No statement of ours means anything but the catalog's objects by the catalog's names, whatever is on the search path.

const place = useHostileDatabase()
const folder = useFolders()

/** Logins whose search path leads to hostile schemas first. */
const logins = [login, 'master', 'boss'] as const

/** What sends a statement only at a moment that this test does not choose, or to AWS's own roles. */
const mayStayUnsent = [
  'src/record/runs/sent.ts findSent',
  'src/set-aside/db/lock-hunt.ts readHolders',
  'src/record/batches/attempts.ts insertRetry',
  'src/record/batches/attempts.ts writeNextAttempts',
  'src/record/runs/history.ts readProgress',
  'src/record/definitions/look.ts lockTimeout',
  'src/record/definitions/discovered.ts readHidden',
  'src/catalog/db/owner.ts readMembershipAdvice',
  'src/catalog/db/owner.ts readReadersByOwner',
  'src/rebuild/db/group.ts readReaderNames',
  'src/server/own-rights.ts readMissingRights',
  'src/server/view-owner.ts readViewOwner',
  'src/server/own-rights.ts readWhoLacks',
  'src/server/standbys.ts readAuroraReaders',
  'src/record/runs/turns.ts inTheWay',
  'src/own-schema/db/role.ts authenticateByIam',
  'src/record/runs/failing.ts findFailed',
  'src/record/runs/past.ts readLastRows',
  'src/record/runs/runs.ts replan',
  'src/record/runs/life.ts endFollowers',
  'src/record/runs/life.ts closeUnclaimed',
  'src/record/runs/life.ts skipUnclaimed',
  'src/record/batches/batch-groups.ts endBuilt',
  'src/migrate/drift.ts onlyReads',
  'src/migrate/drift.ts readQuery',
  'src/record/batches/batch-groups.ts giveUpGroup',
  'src/set-aside/db/in-the-way.ts readFunction',
]

async function makeHostile(): Promise<void> {
  const { sql } = place
  await sql.unsafe(`
    create role boss superuser login password 'secret'; grant create on schema public to mallory;
    ${logins.map((role) => `create schema ${role} authorization mallory; grant usage on schema ${role} to public; alter role ${role} in database hostile set search_path = "$user", public, m, made, pg_catalog;`).join('\n')}`)
  for (const schema of ['public', login]) await makeHostileNames(place.session('mallory'), schema)
}

/** Who takes messages. */
const people = { environment: 'test', typed: 'test', links: {} }

/** Does everything that can be done, each operation with what makes it send all its statements. */
async function doEverything(database: Database): Promise<void> {
  const call = () => callOn(database)
  for (const role of ['master', 'boss'] as const)
    await place.databaseOf(role).withConnection((admin) =>
      createRole(admin, schemaFolder, {
        login,
        password: 'secret',
        owners: ['alice', 'mallory'],
        ownViews: 'maintain',
        trusted: ['master'],
      }),
    )
  await migrate(database, schemaFolder)
  const steps = await readSchemaSteps(schemaFolder)
  const next = { number: steps.length + 1, name: 'next', sql: 'select', checksum: '' }
  await database.withConnection((sql) => applySchema(sql, [...steps, next]))
  await deleteRows(place.sql, 'schemaSteps', { name: 'next' })
  await database.withConnection(beginMonitoring)

  const frozen = await folder('everything')
  const views = [
    definition('sales', 'select id from a.base', {
      schema: 'made',
      indexes: [{ name: 'sales_id', unique: true, on: '(id)' }],
      comment: 'the base',
      checks: { notNull: ['id'] },
      grants: [{ privileges: ['select'], to: 'alice' }],
    }),
    definition('child', 'select id from made.sales', { schema: 'made' }),
  ]
  await frozen.freezeOn(database, views)
  await frozen.write(
    '003_own.up.sql',
    'savepoint one; create table made.own (id pg_catalog.int4); release savepoint one',
  )
  await frozen.write('004_index.up.sql', 'create index concurrently own_id on made.own (id)')
  await refuseOtherFolders(database, await frozen.read())
  await bringUp(migrateCall(database), await frozen.read(), { repair: true })
  await migrationStatus(database, await frozen.read())
  await readDrift(database, [...views, { ...views[1]!, sql: 'select nothing from made.sales' }])
  expect(await checkView(database, 'made.sales')).toMatchObject({ passes: true, checks: [{ error: null }] })
  const changed = [{ ...views[0]!, sql: 'select id, id as twice from a.base' }, views[1]!]
  await frozen.freezeOn(database, changed)
  await migrateUp(migrateCall(database), await frozen.read())
  await migrateDown(migrateCall(database), await frozen.read(), 1)
  await migrateUp(migrateCall(database), await frozen.read())

  for (const strategy of ['auto', 'regular', 'concurrent', 'swap'] as const)
    await refresh({ view: 'sales', strategy }, call())
  const { runId } = await refresh({ view: 'made.child' }, call())
  await drop({ view: 'child' }, call())
  await create({ view: 'child' }, call())
  await create({ view: 'child', force: true }, call())
  await drop({ view: 'child' }, call())
  await repairViews(migrateCall(database), await frozen.read())
  await cancel(runId!, call()).catch(() => {})
  for (const exchange of ['together', 'each'] as const)
    await advanceToEnd(database, await begin(database, { all: true, exchange }))
  await place.run(
    'alice',
    'create materialized view a.above as select id from a.kept; create materialized view a.few_1 as select 1 as id; create materialized view a.few_2 as select 2 as id',
  )
  // Once it is known how long both take, they are refreshed in place.
  for (const regularUpToMs of [0, 60_000]) {
    const quick = place.databaseOf(login, { regularUpToMs })
    await advanceToEnd(quick, await begin(quick, { views: ['a.kept', 'a.above'] }))
    // However slow the machine is, one message has both.
    await updateRows(place.sql, 'runs', {}, { durationMs: 5 })
    await advanceToEnd(quick, await begin(quick, { pattern: 'a.few*', concurrency: 1 }))
  }
  await place.run('alice', 'drop materialized view a.above, a.few_1, a.few_2')
  const batchId = await begin(database, { views: ['sales'], descendants: true })
  await cancelBatch(batchId, call())
  const again = await startBatch({ retryOf: batchId }, call())
  await startBatch({ failed: true }, call()).catch(() => {})
  await cancelBatch(again.batchId, call())
  await listRuns(database, {
    pattern: 'made.*',
    status: ['canceled', 'failed'],
    since: new Date(0),
    until: new Date(),
    limit: 10,
  })
  await getBatch(database, batchId)
  await listBatches(database, { limit: 10 })
  await listOpenBatches(database)
  await database.withConnection(readScheduled)
  await database.withConnection((sql) => hasShortLags(sql, 120))
  await database.withConnection((sql) => readBehindLogs(sql, 120, true))

  const waiting = { dryRun: false, huntMs: 60_000, requestedBy: 'test' }
  await setAside(database, { reading: ['a.base'], ...waiting })
  await refresh({ view: 'made.sales' }, call()).catch(() => {})
  await getWhy(database, 'sales', { schedules: unscheduled, typed: null })
  await putBack(database, { given: [], forgotten: [], dryRun: false, requestedBy: 'test' })
  await alter(
    database,
    {
      file: 'widen.sql',
      text: 'alter table a.base alter column id type pg_catalog.int8',
      touched: [
        {
          relation: { schema: 'a', name: 'base' },
          columns: ['id'],
          constraints: false,
          dropped: false,
          locked: true,
        },
      ],
      reading: [],
      given: [],
      ...waiting,
    },
    { onPlan() {}, onWait() {}, onTried() {}, onFill() {} },
  )

  await place.run('alice', 'create view a.plain as select id from a.kept')
  await describeViews(database, 'all')
  await place.run(
    'master',
    'create schema cron; create table cron.job (jobid pg_catalog.int8, command pg_catalog.text)',
  )
  await database.withConnection(readCronFacts)
  await place.run('master', 'drop schema cron cascade')
  await place.run(
    'boss',
    `create schema cron; create table cron.job (jobid pg_catalog.int8, active pg_catalog.bool, database pg_catalog.text, command pg_catalog.text);
     grant usage on schema cron to public; grant select on cron.job to public;
     insert into cron.job values (1, true, 'hostile', 'refresh materialized view a.kept')`,
  )
  await database.withConnection(leaveToCron)
  await place.run('boss', 'drop schema cron cascade')
  await place.run('alice', 'drop view a.plain')
  await doctor(database, { views: 'all', role: null, slices: true })
  await doctor(database, { views: ['sales'], role: 'alice' })
  await pauseView(database, 'sales', true, 'test')
  await pauseAll(database, true, 'test')
  await getWhy(database, 'sales', { schedules: unscheduled, typed: null })
  await pauseAll(database, false, 'test')
  await listActions(database, { view: 'sales', limit: 5 })
  await pauseView(database, 'sales', false, 'test')
  await listViews(database)
  await getView(database, 'sales')
  await explainRun(database, runId!, null)
  await listRuns(database, { view: 'sales', limit: 10 })
  await getDays(database, 14)
  await getMetrics(database, { windowSeconds: 3600 })
  await monitor(database, { schedules: unscheduled, publish: unheard, people })
  await prune(database, { successes: 1, days: 1 }, muchLater())
}

/** Does what is refused, what fails, and what is done twice. */
async function doWhatFails(database: Database): Promise<void> {
  const call = (more: Parameters<typeof callOn>[1] = {}) => callOn(database, more)
  await place.run('master', 'create materialized view made.masters as select 1 as id')
  await place.databaseOf('master').withConnection(async (admin) => {
    await readSituation(admin, login)
    await createRole(admin, schemaFolder, { login, password: null, owners: null, ownViews: 'give' })
  })

  await place.run(
    'alice',
    `create function a.fails() returns pg_catalog.int4 language plpgsql set search_path = '' as 'begin raise exception $$no$$; end';
     create function a.slow() returns pg_catalog.int4 language plpgsql set search_path = '' as 'begin perform pg_catalog.pg_sleep(60); return 1; end';
     create materialized view a.failing as select a.fails() as id with no data;
     create materialized view a.above as select id from a.failing with no data;
     create materialized view a.sleeping as select a.slow() as id with no data`,
  )
  const aside = { reading: ['a.base'], dryRun: false, requestedBy: 'test' }
  await place.run(
    'alice',
    'create function a.parsed() returns pg_catalog.int8 begin atomic select id from a.base; end',
  )
  expect(await refusalOf(setAside(database, { ...aside, huntMs: 300 }))).toMatchObject({
    code: 'DependentsExist',
  })
  await place.run('alice', 'drop function a.parsed()')
  const strange = definition('strange', 'select 1 as id', { schema: 'made', owner: 'boss' })
  const refused = [
    () => refresh({ view: 'a.kept', strategy: 'concurrent' }, call()),
    () => refresh({ view: '"\u00e4"' }, call()),
    () =>
      readDrift(place.databaseOf('alice'), [
        definition('kept', 'select id from a.base', { schema: 'a' }),
        strange,
      ]),
    () => setAside(database, { ...aside, huntMs: 300 }),
  ]
  const holder = place.session('postgres')
  await holder.unsafe('begin; select id from a.kept')
  for (const work of refused) await work().catch(() => {})
  await holder`rollback`

  await place.run('alice', 'create materialized view a.over as select id from a.kept')
  await holder.unsafe('begin; refresh materialized view a.over')
  const locked = await begin(database, { views: ['a.kept', 'a.over'] })
  const waits = advanceToEnd(database, locked)
  await untilWaitingAgain(place.sql, 'viewkeeper', waits)
  await database.withConnection((sql) => readFix(sql, { code: '55P03' }))
  await database.withConnection((sql) => giveKeyBack(sql, 0))
  await database.withConnection((sql) => hasExchangedMeanwhile(sql, 0))
  await cancelBatch(locked, call())
  await holder`rollback`
  await waits
  await place.run('alice', 'drop materialized view a.over')

  for (let at = 0; at < 2; at++) {
    await refresh({ view: 'a.kept' }, call({ idempotencyKey: 'once' }))
    await startBatch({ views: ['a.kept'] }, call({ idempotencyKey: 'once' }))
  }
  await pauseView(database, 'a.kept', true, 'test')
  await refresh({ view: 'a.kept' }, call({ trigger: 'schedule' }))
  await pauseView(database, 'a.kept', false, 'test')
  const failing = { views: ['a.failing'], descendants: true }
  await advanceToEnd(database, await begin(database, { ...failing, retries: 0 }))
  const retried = await begin(database, { ...failing, retries: 1 })
  const failed = advanceToEnd(database, retried)
  await until('the retry is on record', async () => {
    const { views } = await getBatch(database, retried)
    return views.some(({ runs }) => runs.length > 1)
  })
  await cancelBatch(retried, call())
  await failed
  await place.run(
    'alice',
    'create materialized view a.dividing as select 1 / (id - 1) as n from a.base with no data',
  )
  const dividing = { schema: 'a', name: 'dividing' }
  expect(await findBadRow(database, dividing, { trusted: 'alice', mostMs: 20_000 })).toMatchObject({
    columns: ['n'],
    rows: [{ values: [{ column: 'id', value: '1' }] }],
  })
  await place.run(
    'alice',
    'drop materialized view a.dividing; create materialized view a.unique_one as select id from a.base; create unique index on a.unique_one (id)',
  )
  const unique = { schema: 'a', name: 'unique_one' }
  expect(await findBadRow(database, unique, { trusted: 'alice', mostMs: 20_000 })).toMatchObject({
    equal: [],
  })
  await place.run('alice', 'drop materialized view a.unique_one')
  await refreshByLog(database)
  const { runId } = await refresh({ view: 'a.sleeping' }, call({ waitUntil: 0 }))
  await explainRun(database, runId!, null)
  await cancel(runId!, call())
  await explainRun(database, runId!, null)

  // A view whose function lost its table cannot be put back.
  await place.run(
    'alice',
    `create table a.lost (); create function a.reads_lost() returns pg_catalog.int8 language sql set search_path = a as 'select pg_catalog.count(*) from lost';
     create materialized view a.losing as select a.reads_lost() as n from a.base`,
  )
  await setAside(database, { ...aside, huntMs: 60_000 })
  await place.run('alice', 'drop table a.lost')
  const back = { given: [], dryRun: false, requestedBy: 'test' }
  await putBack(database, { ...back, forgotten: [] })
  await putBack(database, { ...back, forgotten: ['a.losing'] })

  await begin(database, { views: ['a.kept'] })
  const dayAgo = place.sql`pg_catalog.now() operator(pg_catalog.-) '1 day'::pg_catalog.interval`
  await updateRows(place.sql, 'batches', {}, { advancedAt: dayAgo })
  await monitor(database, { schedules: unscheduled, publish: unheard, people })
  let handed = await handOut(database, { token: null, done: [], stop: false }, 'test')
  while (!handed.busy && handed.events.length > 0)
    handed = await handOut(
      database,
      { token: handed.token, done: handed.events.map(({ sequence }) => sequence), stop: false },
      'test',
    )
  await monitor(database, { schedules: unscheduled, publish: unheard, programs: null })
  await updateRows(place.sql, 'definitions', { name: 'kept' }, { targetLagSeconds: 60 })
  await startDueBatch({ database, idempotencyKey: 'due' }, { everySeconds: 60 })
  await database.withConnection(async (sql) => {
    await createToken(sql, { name: 'ci', may: 'read', days: 1, by: 'test' })
    for (const { name } of await listTokens(sql)) await findToken(sql, name)
    await noteUse(sql, 'ci')
    await revokeToken(sql, 'ci')
    await writeDeliveries(sql, [{ channel: 'chat', key: '1', message: {} }])
    await readDueChannels(sql)
    for (const { sequence } of await readDue(sql, 'chat', 1)) {
      await noteRefusal(sql, 'chat', sequence, 'it answered 500')
      await removeDelivery(sql, sequence)
    }
    await readChannels(sql, ['chat'])
    await isAnythingToSend(sql)
    const [kept] = await sql<[{ oid: number }]>`select 'a.kept'::regclass::int8 as oid`
    await measureQuery(sql, { role: 'alice', schema: 'a' }, kept.oid, { mostMs: 10_000, mostBytes: 1e9 })
    await forgetOthers(sql, [])
    await readViewIncidents(sql)
    await obeysOthers(sql, 'leader', '{}')
    await setQuiet(sql, null, null, 'test')
    await readSteps(sql)
    await readLogSizes(sql)
    await readLost(sql, { schema: 'a', name: 'kept' })
    await sinceUnmarked(sql, { schema: 'a', name: 'base' })
  })
  const keeper = keeperOf(database, {})
  await new Promise((resolve) => keeper.start({ onLook: resolve }))
  await keeper.stop()
}

/** Makes a change log of incremental tables, has it read three times, the last time by another proof, drops it, and refreshes them without, if their queries fit. */
async function refreshByLog(database: Database): Promise<void> {
  await place.run(
    'alice',
    `create table a.days (day pg_catalog.date);
     create view a.by_key_query as select day, pg_catalog.count(*) as n from a.days group by day; comment on view a.by_key_query is '${keptMark}';
     create table a.by_key as select day, n from a.by_key_query with no data; create unique index on a.by_key (day);
     create view a.by_row_query as select day, pg_catalog.count(*) as n from a.days group by day; comment on view a.by_row_query is '${keptMark}';
     create table a.by_row as select day, n from a.by_row_query with no data`,
  )
  for (const name of ['by_key', 'by_row']) {
    const view = { schema: 'a', name }
    const log = await database.withConnection(async (sql) => planLog(sql, await readView(sql, view)))
    await place.run(login, makeLog(log).join(';'))
    const none = /^computes 0 (of about \d+ )?slices/
    for (const words of [/^computes all (of about \d+ )?slices/, none, none]) {
      expect((await refresh({ view: `a.${name}` }, callOn(database))).response?.because).toMatch(words)
      if (words === none) await place.sql.unsafe(`create schema if not exists ${name}`)
    }
    await place.run(login, dropLog(view))
    expect((await refresh({ view: `a.${name}` }, callOn(database))).response?.because).toMatch(
      /^computes all/,
    )
  }
  await place.run(
    'alice',
    `drop view a.by_row_query; create view a.by_row_query as select day, null::pg_catalog.int2 as n from a.days; comment on view a.by_row_query is '${keptMark}'`,
  )
  expect((await refresh({ view: 'a.by_row' }, callOn(database))).error?.message).toContain('alter table')
}

test("no name on the search path of a login is taken for the catalog's by any statement", async () => {
  await place.run(
    'alice',
    'create table a.base as select 1 as id; grant select on a.base to public; create materialized view a.kept as select id from a.base',
  )
  await makeHostile()
  const executed = await whatIsExecuted(async () => {
    await doEverything(place.database)
    await doWhatFails(place.database)
    // As if other steps had made the schema.
    await place.sql`update viewkeeper.schema_steps set checksum = '' where number = 1`
    expect(await upgradeSchema(place.database, schemaFolder)).toMatchObject({
      definitions: expect.any(Number),
    })
  })
  const breaches = await place.sql`
    select did, who, (count(*))::pg_catalog.int4 from public.loot where who operator(pg_catalog.<>) 'mallory' group by 1, 2 order by 1`
  const unsent = await withoutExecution(executed)
  expect(unsent.filter((each) => !mayStayUnsent.includes(each))).toEqual([])
  expect(breaches).toEqual([])
})
