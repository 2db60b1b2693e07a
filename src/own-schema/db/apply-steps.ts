import { setTimeout as pause } from 'node:timers/promises'
import { intruders, keeper, refuseIntruders, trustOf } from '../../catalog/plan/intruders.ts'
import { hintsQuery, isMember, type Obstacle, onDatabase, privilege } from '../../catalog/plan/rights.ts'
import { inTheWay } from '../../record/runs/turns.ts'
import type { Sql } from '../../server/database.ts'
import { problemOf, sqlstateOf } from '../../server/failures.ts'
import { lacking, readMissingRights } from '../../server/own-rights.ts'
import { sqlFailed } from '../../server/sql-failed.ts'
import { withTransaction } from '../../server/transactions.ts'
import { quoteIdentifier } from '../../sql/names.ts'
import { Problem, sentences } from '../../words/problem.ts'

/** A schema step: a numbered SQL file, applied once and never edited afterwards. */
export interface SchemaStep {
  number: number
  /** The file's name without its ending: `001_schema`. */
  name: string
  sql: string
  /** SHA-256 of the text with line ends as `\n`, in hex. */
  checksum: string
}

/** Somebody else has made or changed the same object of the catalog: 23505 and XX000 after a wait for him, else that it exists. */
const collisions = ['23505', '40P01', '42710', '42P06', '42P07', 'XX000']
const mostTries = 20
const longestPauseMs = 200

/**
 * Sets up roles or schema in a transaction of its own. Of two who do so at once, one waits for what the other has begun to make,
 * fails, and begins anew: the catalog has each object once. Throws LockTimeout, which names the other, if that lasts.
 */
export async function settingUp<T>(sql: Sql, work: (sql: Sql) => Promise<T>, tries = 1): Promise<T> {
  try {
    return await withTransaction(sql, work)
  } catch (error) {
    const sqlstate = sqlstateOf(error) ?? ''
    if (sqlstate === '55P03')
      throw (await inTheWay(sql, settingUpNow, 'the set-up of this database')) ?? error
    if (!collisions.includes(sqlstate) || tries === mostTries) throw error
    await pause(Math.random() * longestPauseMs)
    return settingUp(sql, work, tries + 1)
  }
}

/** The processes that change roles, or the journal of schema steps, in transactions that have not ended. */
const settingUpNow = `
  select pid from pg_catalog.pg_locks
   where locktype = 'relation' and granted and mode <> 'AccessShareLock' and pid <> pg_backend_pid()
     and relation in ('pg_authid'::regclass, 'pg_auth_members'::regclass, to_regclass('viewkeeper.schema_steps'))
     and database in (0, (select oid from pg_catalog.pg_database where datname = current_database()))`

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
export async function becomeOwner(sql: Sql): Promise<void> {
  const [row] = await sql.unsafe<[{ owner: string | null; found: Obstacle[] }]>(
    `select (${keeper()}) as owner, ${intruders(trustOf(null))} as found`,
  )
  refuseIntruders(row.found)
  if (row.owner !== null) await sql.unsafe(`set local role ${quoteIdentifier(row.owner)}`)
}

/** Makes schema `viewkeeper`, which is not there, by all steps in the transaction of the caller. */
export async function makeSchema(sql: Sql, steps: SchemaStep[]): Promise<void> {
  await prepareJournal(sql, steps)
  for (const step of steps) await applyOnce(sql, step)
}

/** Whether steps of other names or texts have made the schema. */
export async function isOfOtherSteps(sql: Sql, steps: SchemaStep[]): Promise<boolean> {
  if (!(await hasJournal(sql))) return false
  const journal = await sql<SchemaStep[]>`select number, name, checksum from viewkeeper.schema_steps`
  return journal.some(({ number, name, checksum }) => {
    const step = steps[number - 1]
    return step !== undefined && (step.name !== name || step.checksum !== checksum)
  })
}

const hasJournal = async (sql: Sql): Promise<boolean> =>
  (await sql`select where to_regclass('viewkeeper.schema_steps') is not null`).length > 0

async function prepareJournal(sql: Sql, steps: SchemaStep[]): Promise<void> {
  await becomeOwner(sql)
  // Not "if not exists": that needs the right to create schemas even if the schema exists.
  if (await hasJournal(sql)) return insistOnTheseSteps(sql, steps)
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
  // One snapshot: somebody else may write the first step meanwhile.
  const [{ journal, isMade }] = await sql<
    [{ journal: Pick<SchemaStep, 'number' | 'name'>[]; isMade: boolean }]
  >`
    select coalesce((select jsonb_agg(jsonb_build_object('number', number, 'name', name) order by number)
                       from viewkeeper.schema_steps), '[]') as journal,
           exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                    where n.nspname = 'viewkeeper' and c.relname = 'definitions') as "isMade"`
  if (journal.length === 0 && isMade)
    throw new Problem(
      'MigrationFailed',
      'Schema viewkeeper of this database is there without its rows, as a dump of schemas alone restores it (pg_dump --schema-only). Nothing ' +
        'was changed. Restore its rows from there, too (pg_dump --data-only --schema=viewkeeper), or have it made anew: drop schema viewkeeper cascade',
    )
  for (const { number, name } of journal) {
    const step = steps[number - 1]
    if (step === undefined || step.name === name) continue
    throw new Problem(
      'MigrationFailed',
      `Schema viewkeeper of this database was made by the schema steps of a version before the first release: number ${number} ` +
        `is ${name} there, and ${step.name} in this version. Nothing was changed. To carry its ` +
        'record over: npx viewkeeper migrate schema',
    )
  }
}

/** Returns true if the step was applied now, false if the database had it already. Its row in the journal is written by one only. */
async function applyOnce(sql: Sql, step: SchemaStep): Promise<boolean> {
  const [journaled] = await sql`select checksum from viewkeeper.schema_steps where number = ${step.number}`
  if (journaled?.checksum === step.checksum) return false
  if (journaled !== undefined) {
    throw new Problem(
      'MigrationFailed',
      `schema/${step.name}.sql was edited after it had been applied to this database. ` +
        'Restore the file, and write the change as a new schema step. If a version before the first release made the schema, ' +
        'npx viewkeeper migrate schema carries its record over.',
    )
  }
  await becomeOwner(sql)
  const { count } = await sql`
    insert into viewkeeper.schema_steps (number, name, checksum)
    values (${step.number}, ${step.name}, ${step.checksum}) on conflict (number) do nothing`
  if (count === 0) return applyOnce(sql, step) // somebody else has just applied it
  try {
    await sql.unsafe(step.sql)
  } catch (error) {
    throw sqlFailed(`schema/${step.name}.sql`, step.sql, error)
  }
  await insistOnOwner(sql)
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
    // Whoever administers roles or this database is no role to become a member of: create-role hands the schema over.
    membership: `case when exists (select from pg_roles k where k.oid = n.nspowner and (k.rolsuper or k.rolcreaterole))
      or n.nspowner = (select datdba from pg_database where datname = current_database()) then null else n.nspowner end`,
    owned: `'schema viewkeeper'`,
    given: isMember('asked.role', 'n.nspowner', 'acts'),
  },
  onDatabase('create', `to_regnamespace('viewkeeper') is not null`),
])
