import { beforeAll, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { listRuns } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'

// What docs/privileges.md says, operation by operation: the rights on the page are enough, and each is needed.

const { database, sql, url, as } = useDatabase()
const suffix = url.slice(-8)
const databaseName = new URL(url).pathname.slice(1)
let version = 0

beforeAll(async () => {
  const [server] = await sql`select current_setting('server_version_num')::int / 10000 as major`
  version = server?.major
  // What everybody has by default is taken away, to see what it is needed for.
  await sql.unsafe(`
    revoke connect, temporary on database ${databaseName} from public;
    revoke usage on language plpgsql from public`)
})

/** What the server or Viewkeeper says where a right is missing. */
interface Missing {
  class: string | RegExp
  names: RegExp
}

/** One right: how it is given, or how it is taken away where it is there by itself. `$…` stand for names of the place. */
interface Right {
  right: string
  give?: string
  takeAway?: string
  missing: Missing
}

/** A schema and roles of one test's own: $app works, $owner owns view $schema.kept, $other what hangs on it. */
interface Place {
  schema: string
  app: string
  database: Database
  run(statements: string): Promise<unknown>
}

let places = 0

async function makePlace(setUp = ''): Promise<Place> {
  const n = ++places
  const schema = `place_${n}`
  const [app, owner, other] = ['app', 'owner', 'other'].map((name) => `${name}_${n}_${suffix}`) as [
    string,
    string,
    string,
  ]
  const names: Record<string, string> = { schema, app, owner, other, database: databaseName }
  const run = (statements: string) =>
    sql.unsafe(statements.replace(/\$([a-z]+)/g, (whole, name) => names[name] ?? whole))
  await run(`
    create role $app login ${version < 16 ? 'noinherit' : ''} password 'secret'; create role $owner; create role $other;
    create schema $schema; create schema $schema_beside;
    create table $schema.base as select generate_series(1, 5) as id;
    create materialized view $schema.kept as select id from $schema.base;
    create unique index on $schema.kept (id);
    alter materialized view $schema.kept owner to $owner;
    ${setUp};
    delete from $schema.base where id = 1;
    insert into $schema.base values (6)`)
  await define(sql, `${schema}.made`, { sql: `select id from ${schema}.base` })
  return { schema, app, database: as(app).database, run }
}

const privilege = (names: RegExp): Missing => ({ class: 'InsufficientPrivilege', names })

const connect: Right = {
  right: 'connect on the database',
  give: 'grant connect on database $database to $app',
  missing: { class: 'CredentialsRefused', names: new RegExp(databaseName) },
}
const usageOfLanguage: Right = {
  right: 'usage on language plpgsql',
  give: 'grant usage on language plpgsql to $app',
  missing: privilege(/language plpgsql/),
}
const usageOfRecord: Right = {
  right: 'usage on schema viewkeeper',
  give: 'grant usage on schema viewkeeper to $app',
  missing: privilege(/schema viewkeeper/),
}
const onRecord = (
  table:
    | 'actions'
    | 'definitions'
    | 'runs'
    | 'batches'
    | 'batch_views'
    | 'batch_groups'
    | 'deliveries'
    | 'latest_runs'
    | 'parts'
    | 'set_aside'
    | 'switches',
  ...privileges: string[]
): Right[] =>
  privileges.map((each) => ({
    right: `${each} on viewkeeper.${table}`,
    give: `grant ${each} on viewkeeper.${table} to $app`,
    missing: privilege(new RegExp(`(table|view) ${table}`)),
  }))
/** What the facts of views are read from, besides the definitions and the runs. */
const readsFacts = [
  ...onRecord('batches', 'select'),
  ...onRecord('batch_views', 'select'),
  ...onRecord('set_aside', 'select'),
]
const record = [
  connect,
  usageOfLanguage,
  usageOfRecord,
  ...onRecord('definitions', 'select', 'insert', 'update'),
  ...onRecord('runs', 'select', 'insert', 'update'),
]
const languageOf = (who: 'owner' | 'other'): Right => ({
  right: `usage on language plpgsql, for the ${who}`,
  give: `grant usage on language plpgsql to $${who}`,
  missing: { class: 'SwapImpossible', names: /language plpgsql/ },
})
const usageOf = (who: 'app' | 'owner'): Right => ({
  right: `usage on the view's schema, for ${who === 'app' ? "Viewkeeper's role" : 'the owner'}`,
  give: `grant usage on schema $schema to $${who}`,
  missing: privilege(/schema place_/),
})
/** From 16 on each membership says what it allows; before, the role says whether it inherits, and may always act as. */
const inheritsOwner: Right = {
  right: "membership in the owner that inherits the owner's rights",
  get give() {
    return version < 16
      ? 'grant $owner to $app; alter role $app inherit'
      : 'grant $owner to $app with inherit true, set false'
  },
  missing: privilege(
    /materialized view "?kept|Missing: app_\w+ (may not act as its owner|does not inherit the rights of its owner), owner_\w+\.\n\n.* has to run:\n {2}(grant "?owner_|alter role app_)/,
  ),
}
const actsAs = (who: 'owner' | 'other'): Right => ({
  right: `membership in the ${who} that allows set role`,
  get give() {
    return version < 16 ? `grant $${who} to $app` : `grant $${who} to $app with inherit false, set true`
  },
  missing: { class: 'SwapImpossible', names: new RegExp(`may not act as .*${who}_|${who}_.* may not act`) },
})
const actsAsOwner = actsAs('owner')
/** Both at once: what a swap makes as the owner, it then hands over to another as itself. */
const isOwner: Right = {
  right: 'membership in the owner that inherits and allows set role',
  get give() {
    return version < 16
      ? 'grant $owner to $app; alter role $app inherit'
      : 'grant $owner to $app with inherit true, set true'
  },
  missing: actsAsOwner.missing,
}
const maintain: Right = {
  right: 'maintain on the view',
  give: 'grant maintain on $schema.kept to $app',
  missing: privilege(/kept/),
}
const ownerReads: Right = {
  right: 'select on what the view reads, for the owner',
  give: 'grant select on $schema.base to $owner',
  missing: privilege(/base/),
}
/** The server does the work of a concurrent refresh as the owner, in a temporary table and on the view itself. */
const ownerChangesRows: Right[] = [
  usageOf('owner'),
  {
    right: 'temporary on the database, for the owner',
    give: 'grant temporary on database $database to $owner',
    missing: privilege(/temporary.*t_/),
  },
  ...['select', 'insert', 'delete'].map((each) => ({
    right: `${each} on the view, which its owner has but can lose`,
    takeAway: `revoke ${each} on $schema.kept from $owner`,
    missing: privilege(/kept/),
  })),
]
const titles: Record<string, string> = {
  $schema: "the view's schema",
  $schema_beside: 'the schema of what hangs on it',
}
const createIn = (schema: string, who: 'app' | 'owner' | 'other', names: RegExp): Right => ({
  right: `create on ${titles[schema]}, for the ${who}`,
  give: `grant create on schema ${schema} to $${who}`,
  missing: { class: /^(InsufficientPrivilege|SwapImpossible)$/, names },
})
const usageAndCreateIn = (schema: string, who: 'owner' | 'other', names: RegExp): Right[] => [
  {
    right: `usage on ${titles[schema]}, for the ${who}`,
    give: `grant usage on schema ${schema} to $${who}`,
    missing: { class: /^(InsufficientPrivilege|SwapImpossible)$/, names },
  },
  createIn(schema, who, names),
]
const rebuilds = [
  languageOf('owner'),
  usageOf('app'),
  actsAsOwner,
  ...usageAndCreateIn('$schema', 'owner', /place_/),
  ownerReads,
]

interface Operation {
  operation: string
  /** The first PostgreSQL that has these rights. */
  since?: number
  setUp?: string
  rights: Right[]
  /** Gives what `done` says. */
  perform(place: Place): Promise<unknown>
  done: object
}

const refreshAs =
  (strategy: 'regular' | 'concurrent' | 'swap') =>
  ({ schema, database }: Place) =>
    refresh({ view: `${schema}.kept`, strategy }, callOn(database))

const creates = [
  usageOf('app'),
  { ...createIn('$schema', 'app', /place_/), missing: privilege(/schema place_/) },
  {
    right: "select on what the view reads, for Viewkeeper's role",
    give: 'grant select on $schema.base to $app',
    missing: privilege(/base/),
  },
]

const operations: Operation[] = [
  {
    operation: 'a regular refresh by a member of the owner',
    rights: [...record, usageOf('app'), inheritsOwner, ownerReads],
    perform: refreshAs('regular'),
    done: { status: 'updated', response: { strategy: 'regular' } },
  },
  {
    operation: 'a regular refresh by who may maintain the view',
    since: 17,
    rights: [...record, usageOf('app'), maintain, ownerReads],
    perform: refreshAs('regular'),
    done: { status: 'updated', response: { strategy: 'regular' } },
  },
  {
    operation: 'a concurrent refresh by a member of the owner',
    // A role that inherits from the owner inherits usage on the schema, too.
    rights: [{ ...inheritsOwner, missing: privilege(/schema place_/) }, ...ownerChangesRows, ownerReads],
    perform: refreshAs('concurrent'),
    done: { status: 'updated', response: { strategy: 'concurrent' } },
  },
  {
    operation: 'a concurrent refresh by who may maintain the view',
    since: 17,
    rights: [usageOf('app'), maintain, ...ownerChangesRows, ownerReads],
    perform: refreshAs('concurrent'),
    done: { status: 'updated', response: { strategy: 'concurrent' } },
  },
  {
    operation: 'a swap',
    rights: rebuilds,
    perform: refreshAs('swap'),
    done: { status: 'updated', response: { strategy: 'swap', rowCountBefore: null, rowCountAfter: 5 } },
  },
  {
    operation: "a swap of a view that another owner's plain view reads",
    setUp: `
      create view $schema_beside.above as select * from $schema.kept;
      alter view $schema_beside.above owner to $other`,
    rights: [
      ...rebuilds,
      actsAs('other'),
      languageOf('other'),
      ...usageAndCreateIn('$schema_beside', 'other', /_beside/),
      {
        right: "usage on the view's schema, for the other",
        give: 'grant usage on schema $schema to $other',
        missing: { class: /^(InsufficientPrivilege|SwapImpossible)$/, names: /place_/ },
      },
    ],
    perform: refreshAs('swap'),
    done: { status: 'updated', response: { strategy: 'swap' } },
  },
  {
    operation: "a swap of a view with another owner's statistics",
    setUp: `
      create statistics $schema_beside.numbers on id, (id % 2) from $schema.kept;
      alter statistics $schema_beside.numbers owner to $other;
      grant usage on schema $schema, $schema_beside to $app`,
    rights: [
      isOwner,
      actsAs('other'),
      languageOf('owner'),
      ...usageAndCreateIn('$schema', 'owner', /place_/),
      ownerReads,
      createIn('$schema_beside', 'owner', /_beside/),
      ...usageAndCreateIn('$schema_beside', 'other', /_beside/),
    ],
    perform: refreshAs('swap'),
    done: { status: 'updated', response: { strategy: 'swap' } },
  },
  {
    operation: 'a swap of a view on which another role has granted privileges',
    setUp: `
      grant usage on schema $schema to $other;
      grant select on $schema.kept to $other with grant option;
      set role $other; grant select on $schema.kept to public; reset role`,
    rights: [...rebuilds, actsAs('other')],
    perform: refreshAs('swap'),
    done: { status: 'updated', response: { strategy: 'swap' } },
  },
  {
    operation: 'a creation',
    rights: creates,
    perform: ({ schema, database }) => create({ view: `${schema}.made` }, callOn(database)),
    done: { status: 'created' },
  },
  {
    operation: 'a creation by force',
    setUp: `create materialized view $schema.made as select 1 as id; alter materialized view $schema.made owner to $owner`,
    rights: [
      { ...isOwner, missing: privilege(/place_/) },
      { ...languageOf('owner'), missing: privilege(/language plpgsql/) },
      ...usageAndCreateIn('$schema', 'owner', /place_/),
      ownerReads,
    ],
    perform: ({ schema, database }) => create({ view: `${schema}.made`, force: true }, callOn(database)),
    done: { status: 'created' },
  },
  {
    operation: 'a drop',
    rights: [usageOf('app'), inheritsOwner],
    perform: ({ schema, database }) => drop({ view: `${schema}.kept` }, callOn(database)),
    done: { status: 'deleted' },
  },
  {
    operation: "a drop by cascade, of another owner's view too",
    setUp: `create view $schema_beside.above as select * from $schema.kept; alter view $schema_beside.above owner to $other`,
    rights: [usageOf('app'), inheritsOwner],
    perform: ({ schema, database }) => drop({ view: `${schema}.kept`, cascade: true }, callOn(database)),
    done: { status: 'deleted' },
  },
  {
    operation: 'GET /views, of a view in whose schema it has no right,',
    rights: [
      connect,
      usageOfRecord,
      ...onRecord('definitions', 'select'),
      ...onRecord('latest_runs', 'select'),
      ...onRecord('runs', 'select'),
      ...onRecord('switches', 'select'),
      ...onRecord('deliveries', 'select'),
      ...readsFacts,
    ],
    perform: async ({ schema, database }) =>
      (await listViews(database)).views.find(({ view }) => view === `${schema}.kept`),
    done: { populated: true },
  },
  {
    operation: 'GET /views/{view}',
    rights: [...onRecord('latest_runs', 'select'), ...onRecord('switches', 'select'), ...readsFacts],
    perform: ({ schema, database }) => getView(database, `${schema}.kept`),
    done: { populated: true, indexes: [{ unique: true, definition: expect.any(String) }] },
  },
  {
    operation: 'GET /views/{view}/why',
    rights: [
      ...onRecord('latest_runs', 'select'),
      ...onRecord('switches', 'select'),
      ...onRecord('parts', 'select'),
      ...readsFacts,
    ],
    perform: ({ schema, database }) =>
      getWhy(database, `${schema}.kept`, { schedules: unscheduled, typed: null }),
    done: { state: 'unknown', locks: [] },
  },
]

/** With what every operation needs, where it is not listed: for one operation each of these is tried, too. */
const allOf = (rights: Right[]): Right[] => (rights.includes(connect) ? rights : [...record, ...rights])

async function give(place: Place, rights: Right[], butFor?: Right): Promise<void> {
  for (const right of allOf(rights)) {
    const statement = right === butFor ? right.takeAway : right.give
    if (statement !== undefined) await place.run(statement)
  }
}

async function expectMissing(work: Promise<unknown>, missing: Missing): Promise<void> {
  const answer: object = await work.then(
    (result) => result as object,
    (problem: Error) => ({
      status: 'error',
      error: { class: (problem as Error & { code?: string }).code, message: problem.message },
    }),
  )
  const { error } = answer as { error?: { class: string; message: string; hint?: string } }
  expect(answer).toMatchObject({ status: 'error', error: { class: expect.stringMatching(missing.class) } })
  expect([error?.message, error?.hint].join(' ')).toMatch(missing.names)
  // What leaves a run tells what was asked, too.
  if ('runId' in answer)
    expect(answer).toMatchObject({
      request: expect.any(Object),
      response: { durationMs: expect.any(Number) },
    })
}

/** Before the version that has them these rights are not to be had: true, having seen the server refuse them. */
async function cameLater({ since = 0 }: Pick<Operation, 'since'>): Promise<boolean> {
  if (version >= since) return false
  const place = await makePlace()
  await expect(place.run(maintain.give as string)).rejects.toMatchObject({ code: '42601' })
  return true
}

eachCase(
  operations.map((each) => [each.operation, each] as const),
  { quick: 2 },
)('%s works with the rights on the page and no others', async (_, operation) => {
  if (await cameLater(operation)) return
  const place = await makePlace(operation.setUp)
  await give(place, operation.rights)
  expect(await operation.perform(place)).toMatchObject(operation.done)
})

eachCase(
  operations.flatMap((each) =>
    each.rights.map((lacking) => [each.operation, lacking.right, each, lacking] as const),
  ),
  { quick: 4 },
)('%s fails without %s, and says on what', async (_, __, operation, lacking) => {
  if (await cameLater(operation)) return
  const place = await makePlace(operation.setUp)
  await give(place, operation.rights, lacking)
  await expectMissing(operation.perform(place), lacking.missing)
})

describe('auto', () => {
  const auto = ({ schema, database }: Place) => refresh({ view: `${schema}.kept` }, callOn(database))

  test('does not swap where it may not act as the owner, and says so', async () => {
    const place = await makePlace()
    // Before 16 who may refresh may also act as the owner: what follows instead of the swap fails there.
    await give(place, [
      usageOf('app'),
      ...(version < 16 ? [] : [inheritsOwner]),
      ...ownerChangesRows,
      createIn('$schema', 'owner', /place_/),
      ownerReads,
    ])
    expect(await auto(place)).toMatchObject({
      status: version < 16 ? 'error' : 'updated',
      response: {
        strategy: 'concurrent',
        because: expect.stringMatching(/app_\w+ may not act as its owner, "?owner_/),
      },
    })
  })

  test('with maintain alone, from 17 on, refreshes without a swap, and neither a swap nor a drop is possible', async () => {
    const place = await makePlace()
    if (await cameLater({ since: 17 })) return
    await give(place, [usageOf('app'), maintain, ...ownerChangesRows, ownerReads])
    expect(await auto(place)).toMatchObject({
      status: 'updated',
      response: { strategy: 'concurrent', because: expect.stringContaining('may not act as its owner') },
    })
    await expectMissing(refreshAs('swap')(place), actsAsOwner.missing)
    await expectMissing(
      drop({ view: `${place.schema}.kept` }, callOn(place.database)),
      privilege(/materialized view "?kept/),
    )
  })
})

describe('a membership', () => {
  test('that only allows set role swaps, and does nothing else', async () => {
    const place = await makePlace()
    await give(place, rebuilds)
    expect(await refresh({ view: `${place.schema}.kept` }, callOn(place.database))).toMatchObject({
      status: 'updated',
      response: { strategy: 'swap' },
    })
    const inherits = privilege(
      version < 16 ? /alter role app_\w+ inherit;/ : /grant owner_\w+ to app_\w+ with inherit true/,
    )
    await expectMissing(refreshAs('regular')(place), inherits)
    await expectMissing(refreshAs('concurrent')(place), inherits)
    await expectMissing(
      drop({ view: `${place.schema}.kept` }, callOn(place.database)),
      privilege(/materialized view "?kept/),
    )
  })

  test("that only allows set role cannot hand over another owner's statistics, so the swap leaves all as it was", async () => {
    const place = await makePlace(`
      create statistics $schema_beside.numbers on id, (id % 2) from $schema.kept;
      alter statistics $schema_beside.numbers owner to $other`)
    await give(place, [...rebuilds, actsAs('other')])
    await place.run(
      'grant usage, create on schema $schema_beside to $owner, $other; grant usage on schema $schema_beside to $app',
    )
    await expectMissing(refreshAs('swap')(place), {
      class: /^(InsufficientPrivilege|SwapImpossible)$/,
      names: /statistics/,
    })
    const [numbers] = await sql`
      select s.stxowner::regrole::text as owner, s.stxrelid::regclass::text as view from pg_statistic_ext s
       where s.stxnamespace = ${`${place.schema}_beside`}::regnamespace`
    expect(numbers).toEqual({ owner: expect.stringMatching(/^other_/), view: `${place.schema}.kept` })
  })

  test('that only inherits does everything but swap; before 16 there is no such one', async () => {
    const place = await makePlace()
    await give(place, [
      inheritsOwner,
      languageOf('owner'),
      ...ownerChangesRows,
      createIn('$schema', 'owner', /place_/),
      ownerReads,
    ])
    if (version < 16) {
      expect(await refreshAs('swap')(place)).toMatchObject({ status: 'updated' })
    } else {
      await expectMissing(refreshAs('swap')(place), {
        class: 'SwapImpossible',
        names: /may not act as its owner, "?owner_/,
      })
    }
    expect(await refreshAs('regular')(place)).toMatchObject({ status: 'updated' })
    expect(await refreshAs('concurrent')(place)).toMatchObject({ status: 'updated' })
    expect(await drop({ view: `${place.schema}.kept` }, callOn(place.database))).toMatchObject({
      status: 'deleted',
    })
  })

  test('in pg_maintain, from 17 on, is maintain on every view', async () => {
    const place = await makePlace()
    const given = place.run('grant pg_maintain to $app')
    if (version < 17) {
      await expect(given).rejects.toMatchObject({ code: '42704' })
      return
    }
    await given
    await give(place, [usageOf('app'), ownerReads])
    expect(await refreshAs('regular')(place)).toMatchObject({ status: 'updated' })
  })
})

test(
  'GET /runs needs only the runs; the monitor writes them, notes its look, and looks at batches and definitions',
  deep,
  async () => {
    const place = await makePlace()
    await give(place, [connect, usageOfRecord, ...onRecord('runs', 'select')])
    expect(await listRuns(place.database, { limit: 1 })).toMatchObject({ runs: expect.any(Array) })
    const look = () => monitor(place.database, { schedules: unscheduled, publish: unheard })
    const takes = [
      'update on viewkeeper.runs',
      'select, insert, update, delete on viewkeeper.switches',
      'insert on viewkeeper.actions',
      'select, update on viewkeeper.batches',
      'select on viewkeeper.batch_groups',
      'select on viewkeeper.definitions',
      'insert, update on viewkeeper.definitions',
      'select on viewkeeper.latest_runs',
      'select, insert, update, delete on viewkeeper.parts',
      'select on viewkeeper.batch_views',
      'select on viewkeeper.set_aside',
      'select, insert, update on viewkeeper.incidents',
      'select on viewkeeper.deliveries',
      'select, insert on viewkeeper.events',
    ]
    for (const right of takes) await place.run(`grant ${right} to $app`)
    expect(await look()).toMatchObject({ lost: 0 })
    for (const right of takes) {
      await place.run(`revoke ${right} from $app`)
      const refusal = await look().then(
        async () => (await place.database.withConnection(failedSteps)).length > 0,
        ({ code }) => code === 'InsufficientPrivilege',
      )
      expect(refusal, right).toBe(true)
      await place.run(`grant ${right} to $app`)
    }
  },
)

/** The steps of the last look that were refused. */
const failedSteps = (sql: Sql) => sql`
  select from viewkeeper.switches s cross join jsonb_each(s.value) e(name, of)
   where s.key = 'steps' and of ->> 'error' like '%42501%' and (of ->> 'failures')::integer > 0`

describe("canceling another login's run", () => {
  const least = [
    connect,
    usageOfRecord,
    ...onRecord('runs', 'select', 'update'),
    ...onRecord('actions', 'insert'),
  ]
  const signals: Right = {
    right: 'membership in pg_signal_backend',
    give: 'grant pg_signal_backend to $app; alter role $app inherit',
    missing: privilege(/cancel/),
  }
  const rights = [...least, signals]

  /** Calls `work` while a run of another login stands before its gate. */
  async function whileRunning(work: (runId: number) => Promise<void>, by?: string): Promise<void> {
    const starter = await makePlace()
    const view = `gated_${places}`
    await makeGatedView(sql, view)
    await give(starter, [inheritsOwner])
    await starter.run(`
      grant usage on schema public to $owner; alter materialized view public.${view} owner to $owner`)
    await withGateClosed(sql, view, async (open) => {
      const login = by === 'a superuser' ? database : starter.database
      const { runId } = await refresh(
        { view: `public.${view}`, strategy: 'regular' },
        callOn(login, { waitUntil: 0 }),
      )
      await untilAtGate(sql, view)
      await work(runId)
      await open()
    })
  }

  test('works with pg_signal_backend and the runs alone', async () => {
    await whileRunning(async (runId) => {
      const place = await makePlace()
      await give(place, rights)
      expect(await cancel(runId, callOn(place.database))).toMatchObject({ error: { class: 'Canceled' } })
    })
  })

  test('works for a member of the login that started it', async () => {
    await whileRunning(async (runId) => {
      const [run] = await sql`
        select a.usename as login from viewkeeper.runs r join pg_stat_activity a on a.pid = r.backend_pid where r.id = ${runId}`
      const place = await makePlace()
      await give(place, least)
      await place.run(`grant ${run?.login} to $app; alter role $app inherit`)
      expect(await cancel(runId, callOn(place.database))).toMatchObject({ error: { class: 'Canceled' } })
    })
  })

  eachCase(
    rights.map((lacking) => [lacking.right, lacking] as const),
    { quick: 1 },
  )('fails without %s, and says so', async (_, lacking) => {
    await whileRunning(async (runId) => {
      const place = await makePlace()
      await give(place, rights, lacking)
      await expectMissing(cancel(runId, callOn(place.database)), lacking.missing)
    })
  })

  test('that is refused is refused again, and is not on the record', async () => {
    await whileRunning(async (runId) => {
      const place = await makePlace()
      await give(place, least)
      await expectMissing(cancel(runId, callOn(place.database)), signals.missing)
      await expectMissing(cancel(runId, callOn(place.database, { waitUntil: 0 })), signals.missing)
      const [run] = await sql`select status, cancel_requested_at from viewkeeper.runs where id = ${runId}`
      expect(run).toEqual({ status: 'running', cancel_requested_at: null })
    })
  })
})
