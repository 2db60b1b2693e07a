import { intruders, keeper, refuseIntruders, trustOf } from '../../catalog/plan/abilities.ts'
import { hintsQuery, isMember, type Obstacle, onDatabase, privilege } from '../../catalog/plan/rights.ts'
import { Problem, sentences } from '../../problem.ts'
import type { Sql } from '../../server/database.ts'
import { problemOf, sqlstateOf } from '../../server/failures.ts'
import { namingHolder, reservedKeys, runLockClass } from '../../server/lock-keys.ts'
import { lacking, readMissingRights } from '../../server/rights.ts'
import { sqlFailed } from '../../server/sql-failed.ts'
import { withTransaction } from '../../server/transactions.ts'
import { quoteIdentifier } from '../../sql/names.ts'

/** A schema step: a numbered SQL file, applied once and never edited afterwards. */
export interface SchemaStep {
  number: number
  /** The file's name without its ending: `001_definitions`. */
  name: string
  sql: string
  /** SHA-256 of the text with line ends as `\n`, in hex. */
  checksum: string
}

/** Setting up takes seconds, so another caller is done within this time. */
const setUpLimit = '10s'

/**
 * Sets up roles or schema in a transaction of its own, while nobody else does: a second caller would find objects missing
 * or half made. Throws LockTimeout, which names the holder of the lock.
 */
export const settingUp = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  namingHolder(sql, reservedKeys.setUp, 'the set-up of this database', () =>
    withTransaction(sql, async (transaction) => {
      const [before] = await transaction<{ timeout: string }[]>`
        select current_setting('lock_timeout') as timeout, set_config('lock_timeout', ${setUpLimit}, true)`
      await transaction`select pg_advisory_xact_lock(${runLockClass}, ${reservedKeys.setUp})`
      await transaction`select set_config('lock_timeout', ${before?.timeout ?? '0'}, true)`
      return work(transaction)
    }),
  )

export interface MigrateReport {
  applied: string[]
  /** Schema steps of a newer version, which the database has and this version does not know. They are no failure. */
  ahead: string[]
}

/**
 * Applies the schema steps that are missing, each in a transaction of its own together with its journal row. If the file
 * of an applied step was edited, that step is refused (MigrationFailed), and so is a schema that other steps have made.
 * Steps only expand the schema, so this version also works on the schema of a newer version: a stack that rolls back runs
 * the old functions on it.
 */
export async function applySchema(sql: Sql, steps: SchemaStep[]): Promise<MigrateReport> {
  await insistOnPlpgsql(sql)
  await settingUp(sql, (transaction) => prepareJournal(transaction, steps)).catch(async (error) => {
    if (sqlstateOf(error) !== '42501') throw error
    throw problemOf(error, sentences(await readMissingRights(sql, settingUpQuery), byCommand))
  })
  const applied: string[] = []
  for (const step of steps) {
    if (await settingUp(sql, (transaction) => applyOnce(transaction, step))) applied.push(step.name)
  }
  const last = steps.at(-1)?.number ?? 0
  const ahead = await sql<{ name: string }[]>`
    select name from viewkeeper.schema_steps where number > ${last} order by number`
  return { applied, ahead: ahead.map(({ name }) => name) }
}

/**
 * Acts as the owner of schema `viewkeeper`, or as the role that is to own it. So the objects of a step belong to a role that
 * nobody logs in as, and two logins can take turns. Refuses a schema in which others have a hand.
 */
async function becomeOwner(sql: Sql): Promise<void> {
  const [row] = await sql.unsafe<[{ owner: string | null; found: Obstacle[] }]>(
    `select (${keeper()}) as owner, ${intruders(trustOf(null))} as found`,
  )
  refuseIntruders(row.found)
  if (row.owner !== null) await sql.unsafe(`set local role ${quoteIdentifier(row.owner)}`)
}

async function prepareJournal(sql: Sql, steps: SchemaStep[]): Promise<void> {
  await becomeOwner(sql)
  // Not "if not exists": that needs the right to create schemas even if the schema exists.
  const [row] = await sql`select to_regclass('viewkeeper.schema_steps') is not null as there`
  if (row?.there) return insistOnTheseSteps(sql, steps)
  const [schema] = await sql`select to_regnamespace('viewkeeper') is not null as there`
  if (!schema?.there) await sql`create schema viewkeeper`
  await sql`
    create table viewkeeper.schema_steps (
      number integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default clock_timestamp())`
  await insistOnOwner(sql)
}

/** The steps of versions before the first release were folded into fewer, which do not upgrade what those have made. */
async function insistOnTheseSteps(sql: Sql, steps: SchemaStep[]): Promise<void> {
  const journal = await sql<Pick<SchemaStep, 'number' | 'name'>[]>`
    select number, name from viewkeeper.schema_steps order by number`
  for (const { number, name } of journal) {
    const step = steps[number - 1]
    if (step === undefined || step.name === name) continue
    throw new Problem(
      'MigrationFailed',
      `Schema viewkeeper of this database was made by the schema steps of a version before the first release: number ${number} ` +
        `is ${name} there, and ${step.name} in this version. Nothing was changed. Rename that schema, and carry over what ` +
        'docs/upgrading.md says.',
    )
  }
}

/** Returns true if the step was applied now, false if the database had it already. */
async function applyOnce(sql: Sql, step: SchemaStep): Promise<boolean> {
  const [journaled] = await sql`select checksum from viewkeeper.schema_steps where number = ${step.number}`
  if (journaled?.checksum === step.checksum) return false
  if (journaled !== undefined) {
    throw new Problem(
      'MigrationFailed',
      `schema/${step.name}.sql was edited after it had been applied to this database. ` +
        'Restore the file, and write the change as a new schema step.',
    )
  }
  await becomeOwner(sql)
  try {
    await sql.unsafe(step.sql)
  } catch (error) {
    throw sqlFailed(`schema/${step.name}.sql`, step.sql, error)
  }
  await insistOnOwner(sql)
  await sql`
    insert into viewkeeper.schema_steps (number, name, checksum)
    values (${step.number}, ${step.name}, ${step.checksum})`
  return true
}

/** An event trigger may give what is made to a role that may not do with it what triggers and keys need. */
async function insistOnOwner(sql: Sql): Promise<void> {
  const [given] = await sql<{ relation: string; owner: string; triggers: string | null }[]>`
    select c.oid::regclass::text as relation, c.relowner::regrole::text as owner,
           (select string_agg(quote_ident(evtname), ', ') from pg_catalog.pg_event_trigger where evtevent = 'ddl_command_end') as triggers
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'viewkeeper' and c.relkind = 'r' and c.xmin = pg_current_xact_id()::xid
       and c.relowner <> to_regrole(quote_ident(current_user)) limit 1`
  if (given === undefined) return
  throw new Problem(
    'EventTriggerFailed',
    `${given.relation} belongs to ${given.owner} as soon as it is made, because event trigger ${given.triggers} gives it ` +
      'to that role. Let the event trigger leave out schema viewkeeper and names that begin with viewkeeper_. Nothing was changed.',
  )
}

const byCommand =
  'The command `npx viewkeeper create-role`, with an administrator in DATABASE_URL, gives a login all that it needs.'

/** The envelope is a `do` block, so without this right no run could start. */
async function insistOnPlpgsql(sql: Sql): Promise<void> {
  const [row] = await sql`select has_language_privilege('plpgsql', 'usage') as may`
  if (row?.may) return
  throw await lacking(sql, 'This role may not use PL/pgSQL, which every run needs.', usingPlpgsqlQuery)
}

/** A query for what keeps the login from using PL/pgSQL. */
const usingPlpgsqlQuery = hintsQuery([
  privilege('pg_language l', {
    privilege: `'usage'`,
    on: `'language plpgsql'`,
    to: 'asked.oid',
    owner: 'l.lanowner',
    given: `l.lanname <> 'plpgsql' or has_language_privilege(session_user, l.oid, 'usage')`,
  }),
])

/** A query for what keeps the login from making schema `viewkeeper`, or from changing what is in the schema. */
const settingUpQuery = hintsQuery([
  {
    from: `(select nspowner from pg_namespace where nspname = 'viewkeeper') n`,
    because: `format('%s may not act as the owner of schema viewkeeper, %s', asked.role::regrole, n.nspowner::regrole)`,
    membership: 'n.nspowner',
    owned: `'schema viewkeeper'`,
    given: isMember('asked.role', 'n.nspowner', 'acts'),
  },
  onDatabase('create', `to_regnamespace('viewkeeper') is not null`),
])
