// @module-tag deep

import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addCommands } from '../../../cli/program.ts'
import { functions } from '../../../src/api/functions.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { prune } from '../../../src/keeper/jobs.ts'
import { repairViews } from '../../../src/migrate/apply-migrations.ts'
import { findBadRow } from '../../../src/migrate/authoring/bad-row.ts'
import { diffView } from '../../../src/migrate/authoring/diff.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { readView } from '../../../src/record/definitions/look.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database } from '../../../src/server/database.ts'
import { alter, putBack, setAside } from '../../../src/set-aside/set-aside.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { readSlices } from '../../../src/slices/slices.ts'
import { checkView } from '../../../src/watch/check.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { counts } from '../../support/counts.ts'
import { define, deleteRows } from '../../support/record/rows.ts'
import { seeded, seedOf } from '../../support/seeded.ts'
import { callOn } from '../../support/servers/database.ts'
import { login, useHostileDatabase } from '../../support/servers/hostile.ts'
import { kinds, neighbourOf } from '../../support/servers/neighbour.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition, type FrozenFolder, migrateCall, useFolders } from '../../support/views/frozen.ts'

// Whatever Viewkeeper does, an owner may exchange all that is hers between any two of its statements: no code of hers runs as the login.

const place = useHostileDatabase()
const folder = useFolders()

/** An operation on mallory's views; `before`: what it needs, done while she is quiet. It returns what it has come to. */
interface Operation {
  before?: (quiet: Database) => Promise<unknown>
  work: (database: Database) => Promise<unknown>
}

const kept = { schema: 'n', name: 'kept' }
/** A quiet operation has to succeed on a slow machine, too. Beside her one may wait for ever. */
let patienceMs = 0
const until = () => Date.now() + patienceMs
const call = (database: Database) => callOn(database, { waitUntil: until() })
const done = async (work: Promise<{ status: string; error?: unknown }>) => {
  const { status, error } = await work
  expect({ done: ['updated', 'created', 'deleted'].includes(status), error }).toEqual({ done: true })
}
const authored = (query = 'select id, n.f(id) as f from n.base') =>
  definition('made', query, {
    schema: 'n',
    owner: 'mallory',
    indexes: [{ name: 'made_key', unique: true, on: '(id)' }],
    checks: { unique: [['id']] },
  })
const aside = { dryRun: false, huntMs: 2000, requestedBy: 'test' }
const putting = { given: [], forgotten: [], dryRun: false, requestedBy: 'test' }

let frozen: FrozenFolder
let folders = 0
const freezing = (queries: string[]) => async (quiet: Database) => {
  frozen = await folder(`n${++folders}`)
  for (const query of queries) await frozen.freezeOn(quiet, [authored(query)])
}
const up = async (database: Database, steps?: number) =>
  migrateUp(
    migrateCall(database, { waitUntil: until() }),
    steps ? (await frozen.read()).slice(0, steps) : await frozen.read(),
  )

const refreshes = (strategy: 'auto' | 'regular' | 'concurrent' | 'swap'): Operation => ({
  work: (database) => done(refresh({ view: 'n.kept', strategy }, call(database))),
})
const batch = (exchange: 'together' | 'each'): Operation => ({
  before: () => place.run('mallory', 'create materialized view n.above as select id, f from n.kept'),
  work: async (database) => {
    const id = await begin(database, { views: ['n.kept', 'n.above'], exchange, retries: 0 })
    expect(await advanceToEnd(database, id, patienceMs)).toMatchObject({ status: 'success' })
  },
})
const checking = (quiet: Database) =>
  quiet.withConnection((sql) =>
    define(sql as never, 'n.kept', {
      checks: sql.json({ unique: [['id']], 'no odd': 'select from n.kept where n.f(id) < 0' }),
    }),
  )

const operations: Record<string, Operation> = {
  auto: refreshes('auto'),
  regular: refreshes('regular'),
  concurrent: refreshes('concurrent'),
  swap: refreshes('swap'),
  'swap with checks': { before: checking, ...refreshes('swap') },
  slices: {
    work: (database) =>
      done(refresh({ view: 'n.daily', slices: { from: '2026-01-02', to: '2026-01-03' } }, call(database))),
  },
  log: {
    async before(quiet) {
      const log = await quiet.withConnection(async (sql) =>
        planLog(sql, await readView(sql, { schema: 'n', name: 'daily' })),
      )
      await place.run(login, makeLog(log).join(';'))
      await refresh({ view: 'n.daily' }, call(quiet))
      await place.run('mallory', "insert into n.base values (9, '2026-01-02')")
    },
    async work(database) {
      await done(refresh({ view: 'n.daily' }, call(database)))
      await database.withConnection((sql) => sql.unsafe(dropLog({ schema: 'n', name: 'daily' })))
    },
  },
  together: batch('together'),
  each: batch('each'),
  check: {
    before: checking,
    work: async (database) => expect(await checkView(database, 'n.kept')).toMatchObject({ passes: true }),
  },
  diff: { work: (database) => diffView(database, kept, null) },
  create: {
    before: (quiet) =>
      quiet.withConnection((sql) =>
        define(sql as never, 'n.made', { sql: authored().sql, owner: 'mallory' }),
      ),
    work: (database) => done(create({ view: 'n.made' }, call(database))),
  },
  drop: {
    before: () => place.run('mallory', 'create materialized view n.made as select id from n.base'),
    work: (database) => done(drop({ view: 'n.made' }, call(database))),
  },
  freeze: {
    before: freezing([]),
    work: (database) => frozen.freezeOn(database, [authored()]),
  },
  up: { before: freezing(['select id from n.base', authored().sql]), work: up },
  down: {
    async before(quiet) {
      await freezing(['select id from n.base', authored().sql])(quiet)
      await up(quiet)
    },
    work: async (database) => migrateDown(migrateCall(database), await frozen.read(), 1),
  },
  repair: {
    async before(quiet) {
      await freezing([authored().sql])(quiet)
      await up(quiet)
      await place.run('mallory', 'drop materialized view n.made')
    },
    work: async (database) => repairViews(migrateCall(database), await frozen.read()),
  },
  adopt: {
    before: freezing([]),
    async work(database) {
      const [described] = (await describeViews(database, ['n.kept'])).filter(isDefined)
      await frozen.freezeOn(database, [described!.definition])
      await up(database)
    },
  },
  drift: { work: (database) => readDrift(database, [{ ...authored(), name: 'kept' }]) },
  doctor: { work: (database) => doctor(database, { views: ['n.kept'], role: null, slices: true }) },
  proof: {
    work: (database) =>
      database.withConnection(async (sql) =>
        readSlices(sql, [
          { oid: (await readView(sql, { schema: 'n', name: 'daily' })).query as number, view: 'n.daily' },
        ]),
      ),
  },
  'bad row': { work: (database) => findBadRow(database, kept, { trusted: 'mallory', mostMs: 5000 }) },
  'set aside': { work: (database) => setAside(database, { reading: ['n.base'], ...aside }) },
  'put back': {
    before: (quiet) => setAside(quiet, { reading: ['n.base'], ...aside }),
    work: (database) => putBack(database, putting),
  },
  alter: {
    work: (database) =>
      alter(
        database,
        {
          ...aside,
          file: 'widen.sql',
          text: 'alter table n.base alter column day type timestamp',
          touched: [
            {
              relation: { schema: 'n', name: 'base' },
              columns: ['day'],
              constraints: false,
              dropped: false,
              locked: true,
            },
          ],
          reading: [],
          given: [],
        },
        { onPlan() {}, onWait() {}, onTried() {}, onFill() {} },
      ),
  },
  why: { work: (database) => getWhy(database, 'n.kept', { schedules: unscheduled, typed: null }) },
  cancel: {
    before: (quiet) => refresh({ view: 'n.kept' }, call(quiet)),
    async work(database) {
      const [run] = await place.sql`select max(id)::int as id from viewkeeper.runs`
      await cancel(run!.id, call(database)).catch(() => {})
    },
  },
  monitor: {
    work: (database) =>
      monitor(database, {
        schedules: unscheduled,
        publish: unheard,
        people: { environment: 'test', typed: 'test', links: {} },
      }),
  },
  prune: { work: (database) => prune(database, { successes: 1, days: 1 }, until()) },
}

/** Each command and each function of AWS: the operations that do its work, or why it can execute nothing of an owner's. */
const covered: Record<string, (keyof typeof operations)[] | string> = {
  refresh: ['auto', 'regular', 'concurrent', 'swap', 'swap with checks', 'slices', 'log'],
  'function refresh': ['auto'],
  'function batch': ['together', 'each'],
  retry: ['each'],
  check: ['check'],
  create: ['create'],
  'function create': ['create'],
  drop: ['drop'],
  'function drop': ['drop'],
  diff: ['diff'],
  freeze: ['freeze'],
  migrate: ['up', 'down', 'repair'],
  'function migrate': ['up', 'repair'],
  adopt: ['adopt'],
  drift: ['drift'],
  doctor: ['doctor', 'proof'],
  'bad-row': ['bad row'],
  'set-aside': ['set aside'],
  'put-back': ['put back'],
  alter: ['alter'],
  why: ['why'],
  cancel: ['cancel'],
  serve: ['monitor', 'prune', 'together', 'auto'],
  dev: ['freeze', 'up'],
  'function monitor': ['monitor'],
  'function prune': ['prune'],
  'function api': ['check', 'why', 'cancel'],
  // They read or write the record, which no owner may.
  ...Object.fromEntries(
    [
      'ls',
      'show',
      'runs',
      'batches',
      'actions',
      'pause',
      'resume',
      'quiet',
      'metrics',
      'plan',
      'graph',
      'token',
    ].map((name) => [name, 'only reads or writes the record and the catalog']),
  ),
  'create-role': 'is executed by an administrator, and tested in logins.test.ts and statements.test.ts',
  uninstall: 'is executed by an administrator, and tested in uninstall.test.ts',
  restore: 'executes an index of an owner as the owner, and is tested in lost.test.ts',
  'function start-batch': 'has no database',
  'function send': 'has no database',
  'function deploy': 'has no database',
  init: 'writes files',
  new: 'writes files',
  env: 'has no database',
  open: 'has no database',
  notify: 'has no database',
}

test('each command and each function is played beside the neighbour, or executes nothing of an owner', async () => {
  const program = new Command()
  await addCommands(program, undefined)
  const named = [
    ...program.commands.map((each) => each.name()),
    ...Object.keys(functions).map((each) => `function ${each}`),
  ]
  expect(named.sort()).toEqual(Object.keys(covered).sort())
  const played = Object.values(covered).flatMap((how) => (typeof how === 'string' ? [] : how))
  expect([...new Set(played)].sort()).toEqual(Object.keys(operations).sort())
})

test('an owner who exchanges what is hers between any two statements of any operation never becomes the login', async () => {
  const neighbour = await neighbourOf(place)
  const attacked = connectTo(fromUrl(neighbour.url))
  const random = seeded(seedOf(1))
  const quiet = { first: 0, moments: 0, seed: 0 }
  const play = async ({ before, work }: Operation, window: typeof quiet) => {
    patienceMs = window === quiet ? 120_000 : 20_000
    await neighbour.watch(quiet)
    await deleteRows(place.sql, 'migrations')
    await deleteRows(place.sql, 'setAside')
    await deleteRows(place.sql, 'definitions')
    await neighbour.anew()
    await before?.(place.database)
    await neighbour.watch(window)
    await work(attacked)
  }
  for (const [name, operation] of Object.entries(operations)) {
    await play(operation, quiet)
    const passed = await neighbour.passed()
    for (let time = 0; time < counts.neighbours; time++) {
      const window = {
        first: 1 + random.below(passed),
        moments: 1 + random.below(20),
        seed: random.below(1e9),
      }
      // She may make it fail.
      await play(operation, window).catch(() => {})
      expect({ name, window, breaches: await place.breaches() }).toEqual({ name, window, breaches: [] })
    }
  }
  const exchanged = await neighbour.exchanged()
  expect(Object.keys(exchanged)).toEqual([...kinds].sort())
  expect(Object.values(exchanged).reduce((sum, n) => sum + n)).toBeGreaterThan(100)
  expect(await place.whoRan()).toContain('mallory')
})
