import { beforeAll, beforeEach, expect, test } from 'vitest'
import { startBatch } from '../../../src/batch/start.ts'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { prune } from '../../../src/keeper/jobs.ts'
import { describeViews } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { getMetrics, getView, listViews } from '../../../src/watch/read-views.ts'
import { fixesIn } from '../../support/catalog/fixes.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { definition, migrateCall, useFolders, verifyFrozen } from '../../support/views/frozen.ts'
import { muchLater } from '../../support/waiting/until.ts'

// A role that lacks a right gets what it asked for after the role that the message names does what the message says. Where the
// message has no SQL, it names the role and the object of the right.

const folder = useFolders()
const { sql, url, as } = useDatabase({ migrated: false })
const suffix = url.slice(-8)
const databaseName = new URL(url).pathname.slice(1)
const keeper = as(`keeper_${suffix}`).database
let places = 0

/** Roles and a schema of one test's own, made as on RDS: by a master who is no superuser. */
interface Place {
  master: string
  boss: string
  login: string
  schema: string
  database: Database
}

beforeAll(async () => {
  await sql.unsafe(`
    create role master_${suffix} login createrole password 'secret';
    alter database ${databaseName} owner to master_${suffix};
    revoke temporary on database ${databaseName} from public;
    grant pg_signal_backend, pg_read_all_stats to master_${suffix} with admin option`)
  await asMaster(`
    create role keeper_${suffix} login password 'secret'; create role keeper_${suffix}_views;
    grant keeper_${suffix}_views to keeper_${suffix}; grant create on database ${databaseName} to keeper_${suffix}`)
  await migrate(keeper, schemaFolder)
})

const asMaster = (text: string) =>
  as(`master_${suffix}`).database.withConnection((master) => master.unsafe(text).simple())

let place: Place

beforeEach(async () => {
  const n = ++places
  const [boss, login, schema] = [`boss_${n}_${suffix}`, `login_${n}_${suffix}`, `place_${n}`]
  await asMaster(`create role ${boss}; create role ${login} login password 'secret'`)
  await sql.unsafe(`
    create schema ${schema} authorization ${boss};
    set role ${boss};
    create table ${schema}.base as select 1 as id;
    create view ${schema}.plain as select id from ${schema}.base;
    create materialized view ${schema}.sales as select id from ${schema}.plain; create unique index on ${schema}.sales (id);
    reset role`)
  place = { master: `master_${suffix}`, boss, login, schema, database: as(login).database }
})

/** Executes a statement as the first role that is said to be allowed to. */
async function follow(statement: string, [role]: string[]): Promise<void> {
  const as = role === 'a role with createrole' ? place.master : role
  const session = await sql.reserve()
  try {
    if (as !== undefined) await session.unsafe(`set role ${as}`)
    await session.unsafe(statement)
  } finally {
    await session`reset role`
    session.release()
  }
}

const mostFixes = 40

/** The right on the object that a message names, for the role that it names. */
function grantOf(said: string): string {
  const role = /Role (\S+) lacks this right\. `npx viewkeeper doctor`/.exec(said)?.[1]
  expect(role, said).toBeDefined()
  if (said.includes('permission denied to create temporary tables'))
    return `grant temporary on database ${databaseName} to ${role}`
  const [, owned, kind, name = ''] =
    /(?:(must be owner of)|permission denied for) (schema|table|view|sequence|function) (\w+)/.exec(said) ??
    []
  expect(kind, said).toBeDefined()
  if (owned !== undefined) return `grant ${place.boss} to ${role}`
  const schema = ['base', 'plain', 'sales', 'made'].includes(name) ? place.schema : 'viewkeeper'
  const on = kind === 'schema' ? `schema ${name}` : `${kind === 'view' ? 'table' : kind} ${schema}.${name}`
  const all = schema === 'viewkeeper' ? mostOf[kind as keyof typeof mostOf] : 'all'
  return `grant ${name === place.schema ? 'all' : all} on ${on} to ${role}`
}

/** The most that somebody else may have in schema viewkeeper. */
const mostOf = {
  schema: 'usage',
  table: 'select, insert, update, delete',
  view: 'select',
  sequence: 'usage, select',
  function: 'execute',
}

/** What a failure says: the message of a Problem or of a run's record, with its hint; null for a success. */
async function saidBy(work: () => Promise<unknown>): Promise<string | null> {
  try {
    const answer = (await work()) as { error?: { message: string; hint?: string } | null } | undefined
    return answer?.error ? [answer.error.message, answer.error.hint].join(' ') : null
  } catch (error) {
    return (error as Error).message
  }
}

/** Follows each message until `work` succeeds, and returns the messages. */
async function untilCured(work: () => Promise<unknown>): Promise<string[]> {
  const messages: string[] = []
  for (let said = await saidBy(work); said !== null; said = await saidBy(work)) {
    messages.push(said)
    expect(messages.length, messages.join('\n')).toBeLessThan(mostFixes)
    const fixes = fixesIn(said)
    if (fixes.length === 0) await sql.unsafe(grantOf(said))
    for (const { statement, roles } of fixes) await follow(statement, roles)
  }
  return messages
}

const viewOf = ({ schema }: Place) => `${schema}.sales`

async function author(more: Partial<Definition> = {}): Promise<Definition> {
  const { schema } = place
  const made = definition('made', `select id from ${schema}.plain`, { schema, ...more })
  await define(sql, `${schema}.made`, { sql: made.sql })
  return made
}

/** The login may write the record, so that only rights on the view are missing. */
const writesRecord = () =>
  sql.unsafe(`
    grant usage on schema viewkeeper to ${place.login};
    grant select, insert, update, delete on all tables in schema viewkeeper to ${place.login}`)

const operations: Record<string, () => Promise<unknown>> = {
  'a regular refresh': () => refresh({ view: viewOf(place), strategy: 'regular' }, callOn(place.database)),
  'a concurrent refresh': () =>
    refresh({ view: viewOf(place), strategy: 'concurrent' }, callOn(place.database)),
  'an exact count': () => refresh({ view: viewOf(place), strategy: 'regular' }, callOn(place.database)),
  'a drop': () => drop({ view: viewOf(place) }, callOn(place.database)),
  'a creation': () => create({ view: `${place.schema}.made` }, callOn(place.database)),
  'a creation by force': () => create({ view: `${place.schema}.made`, force: true }, callOn(place.database)),
  'GET /views': () => listViews(place.database),
  'GET /views/{view}': () => getView(place.database, viewOf(place)),
  'GET /view-metrics': () => getMetrics(place.database, { view: undefined, windowSeconds: 60 }),
  'a batch': () => startBatch({ views: [viewOf(place)] }, callOn(place.database)),
  'a description': () => describeViews(place.database, [viewOf(place)]),
}

eachCase(Object.keys(operations), { quick: 1 })(
  '%s by a role without any right works after what each message says',
  async (name) => {
    await author()
    if (name.includes('force')) {
      const { boss, schema } = place
      await sql.unsafe(
        `set role ${boss}; create materialized view ${schema}.made as select 1 as id; reset role`,
      )
    }
    const messages = await untilCured(operations[name]!)
    expect(messages).not.toEqual([])
    // Nobody is told to do anything that was not needed for this.
    expect(messages.join()).not.toMatch(name.startsWith('GET') ? /insert|update|with inherit/ : /superuser;/)
  },
)

test('what only the text of a function reads is not in the catalog; the hint says how to find it', async () => {
  const { boss, schema } = place
  await writesRecord()
  await sql.unsafe(`
    create table ${schema}.hidden (id integer); create function ${schema}.reads() returns bigint language sql as 'select count(*) from ${schema}.hidden';
    create materialized view ${schema}.hiding as select ${schema}.reads() as id with no data;
    alter materialized view ${schema}.hiding owner to ${boss}; grant ${boss} to ${place.login}`)
  const result = await refresh({ view: `${schema}.hiding`, strategy: 'regular' }, callOn(place.database))
  expect(result.error).toMatchObject({
    class: 'InsufficientPrivilege',
    hint: expect.stringContaining(`as its owner: set role ${boss};`),
  })
})

test('migrating a new view, another query and own SQL works after what each message says', deep, async () => {
  const { boss, schema } = place
  const login = `member_${places}_${suffix}`
  await asMaster(`create role ${login} login password 'secret'; grant keeper_${suffix} to ${login}`)
  const { database } = as(login)
  const frozen = await folder('views')
  const made = definition('made', `select id from ${schema}.plain`, { schema })
  const sales = definition('sales', `select id from ${schema}.plain`, { schema })
  await frozen.freeze([made, sales])
  await frozen.write('003_own.up.sql', `comment on view ${schema}.plain is 'ours';`)
  const migrations = await frozen.read()
  const verified = await untilCured(() => verifyFrozen(database, [], migrations.slice(0, 2)))
  expect(verified.join('\n')).toContain(
    `${boss} decides whether to run:\n  grant usage on schema ${schema} to keeper_${suffix}_views;\n` +
      `  grant create on schema ${schema} to keeper_${suffix}_views;\n\nNothing was written.`,
  )
  expect(await untilCured(() => migrateUp(migrateCall(database), migrations))).toEqual([
    expect.stringMatching(
      /^migrations\/003_own\.up\.sql: must be owner of view plain \(42501\)\. .*Role \w+_views lacks this right\./,
    ),
  ])
})

test('drift tells who may be asked for a view that it may not compare', async () => {
  const { boss, schema } = place
  const sales = definition('sales', `select id from ${schema}.plain`, { schema })
  await asMaster(
    `create role checks_${suffix} login password 'secret'; grant keeper_${suffix} to checks_${suffix}`,
  )
  const { database } = as(`checks_${suffix}`)
  const differences = async () =>
    (await readDrift(database, [sales])).filter(({ kind }) => kind === 'unreadable')
  await untilCured(async () => {
    const [difference] = await differences()
    return difference && { error: difference }
  })
  expect(await sql`select pg_has_role(${`checks_${suffix}`}, ${boss}, 'MEMBER') as is`).toEqual([
    { is: true },
  ])
})

test('pruning without the right to make temporary tables names the right', async () => {
  await writesRecord()
  const pruning = () => prune(place.database, { successes: 5, days: 9 }, muchLater())
  expect(await untilCured(pruning)).toEqual([
    expect.stringContaining(
      `create temporary tables in database "${databaseName}". Role ${place.login} lacks this right.`,
    ),
  ])
})

test('setting up names the right on the database, and later the owner of the schema', async () => {
  const { database, login } = { ...as(`other_${suffix}`), login: `other_${suffix}` }
  await asMaster(`create role ${login} login password 'secret'`)
  const messages = await untilCured(() => migrate(database, schemaFolder))
  expect(messages).toEqual([
    expect.stringMatching(
      `Missing: ${login} may not act as the owner of schema viewkeeper, keeper_${suffix}\\.\n\n.* has to run:\n  grant keeper_${suffix} to ${login}.*;\n\nThe command .npx viewkeeper create-role`,
    ),
  ])
})
