import { quoteIdentifier } from '../../plan/names.ts'
import type { SchemaStep } from '../../plan/schema-step.ts'
import { Problem } from '../../problem.ts'
import { toSetRole } from '../server/acting.ts'
import type { Sql } from '../server/connect.ts'
import { sqlFailed } from '../server/sql-failed.ts'
import { ownerRole } from './role.ts'
import { settingUp } from './setting-up.ts'

export interface MigrateReport {
  applied: string[]
  /** Steps the database has and this version does not know: a newer version was here. That is no failure. */
  ahead: string[]
}

/**
 * Brings schema `viewkeeper` up to the given steps, each in a transaction of its own together with its journal row.
 * An applied step whose file was edited since is refused (MigrationFailed), and nothing is changed. Steps only expand
 * the schema, so a database that is ahead still serves this version: a stack that rolls back runs the old steps on it.
 */
export async function migrateSchema(sql: Sql, steps: SchemaStep[]): Promise<MigrateReport> {
  await insistOnPlpgsql(sql)
  await settingUp(sql, prepareJournal)
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
 * Takes the place of the schema's owner: of who owns it, or, before it is there, of the fixed role where an
 * administrator has made it for this database. What a step makes then belongs to a role that nobody logs in as, and
 * rotating between two users breaks nothing.
 */
async function becomeOwner(sql: Sql): Promise<void> {
  const [row] = await sql<{ owner: string }[]>`
    select r.rolname as owner from pg_catalog.pg_roles r
     where (r.oid = (select nspowner from pg_catalog.pg_namespace where nspname = 'viewkeeper')
            or r.rolname = ${ownerRole} and to_regnamespace('viewkeeper') is null
               and has_database_privilege(r.oid, current_database(), 'create'))
       and pg_has_role(r.oid, ${toSetRole(sql)})`
  if (row !== undefined) await sql.unsafe(`set local role ${quoteIdentifier(row.owner)}`)
}

async function prepareJournal(sql: Sql): Promise<void> {
  await becomeOwner(sql)
  // Not "if not exists": that asks for the right to create schemas even where nothing is to be created.
  const [row] = await sql`select to_regclass('viewkeeper.schema_steps') is not null as there`
  if (row?.there) return
  const [schema] = await sql`select to_regnamespace('viewkeeper') is not null as there`
  if (!schema?.there) await sql`create schema viewkeeper`
  await sql`
    create table viewkeeper.schema_steps (
      number integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default clock_timestamp())`
}

/** True where the step was applied now; false where it had been before. */
async function applyOnce(sql: Sql, step: SchemaStep): Promise<boolean> {
  const [journaled] = await sql`select checksum from viewkeeper.schema_steps where number = ${step.number}`
  if (journaled?.checksum === step.checksum) return false
  if (journaled !== undefined) {
    throw new Problem(
      'MigrationFailed',
      `schema/${step.name}.sql was edited after it had been applied to this database. ` +
        'Put it back as it was, and write the change as a new step.',
    )
  }
  await becomeOwner(sql)
  try {
    await sql.unsafe(step.sql)
  } catch (error) {
    throw sqlFailed(`schema/${step.name}.sql`, step.sql, error)
  }
  await sql`
    insert into viewkeeper.schema_steps (number, name, checksum)
    values (${step.number}, ${step.name}, ${step.checksum})`
  return true
}

/** The envelope is a `do` block: without this right no run could ever start. */
async function insistOnPlpgsql(sql: Sql): Promise<void> {
  const [row] = await sql`select has_language_privilege('plpgsql', 'usage') as may`
  if (row?.may) return
  throw new Problem(
    'InsufficientPrivilege',
    'This role may not use PL/pgSQL, which runs need. Grant it: grant usage on language plpgsql to public;',
  )
}
