import type { Database, Sql } from '../server/database.ts'
import { names } from '../words/phrases.ts'
import { Problem } from '../words/problem.ts'
import { readSchemaSteps } from './apply.ts'
import { becomeOwner, isOfOtherSteps, makeSchema, settingUp } from './db/apply-steps.ts'
import { carryOver, olderSchema } from './db/carry-over.ts'
import { refuseDependents } from './uninstall.ts'

const startUp = { application_name: 'viewkeeper migrate', statement_timeout: '0', lock_timeout: '60000' }

/**
 * Moves schema `viewkeeper` of a version before the first release to `viewkeeper_before`, makes it anew, and carries its record over: all or nothing.
 * Returns how many rows, by table; null if this version's steps have made the schema, or it is not there. Throws MigrationFailed while a session of
 * Viewkeeper or a view that is set aside is there, and DependentsExist.
 */
export async function upgradeSchema(database: Database, folder: URL): Promise<Record<string, number> | null> {
  const steps = await readSchemaSteps(folder)
  return database.withConnection(
    (sql) =>
      settingUp(sql, async (part) => {
        await becomeOwner(part)
        if (!(await isOfOtherSteps(part, steps))) return null
        await refuseMove(part)
        const [older] = await part`select from pg_catalog.pg_namespace where nspname = ${olderSchema}`
        if (older !== undefined)
          throw refused(
            `schema ${olderSchema} is there already. If nobody needs it: drop schema ${olderSchema} cascade`,
          )
        await part.unsafe(`alter schema viewkeeper rename to ${olderSchema}`)
        await makeSchema(part, steps)
        return carryOver(part)
      }),
    { startUp, writes: true },
  )
}

/**
 * Undoes `upgradeSchema`: what was recorded since is dropped. Throws MigrationFailed also if migrations were applied or undone since, which the older
 * record does not know.
 */
export async function downgradeSchema(database: Database): Promise<void> {
  await database.withConnection(
    (sql) =>
      settingUp(sql, async (part) => {
        await becomeOwner(part)
        // Others may have a schema of that name, too.
        const [older] = await part`
          select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
           where n.nspname = ${olderSchema} and n.nspowner = current_user::regrole and c.relowner = n.nspowner and c.relname = 'migrations' and c.relkind = 'r'`
        if (older === undefined) throw refused(`there is no schema ${olderSchema} of an older version`)
        await refuseMove(part)
        const since = await part<{ name: string }[]>`
          select coalesce(n.name, o.name) as name
            from viewkeeper.migrations n full join ${part(olderSchema)}.migrations o using (number, name, checksum)
           where n.run_id is distinct from o.run_id or n.applied_at is distinct from o.applied_at order by number`
        if (since.length > 0)
          throw refused(
            `the older record does not know what has become of ${names(
              since.map(({ name }) => name),
              3,
            )}. Undo that first: npx viewkeeper migrate down`,
          )
        await part.unsafe(`drop schema viewkeeper cascade; alter schema ${olderSchema} rename to viewkeeper`)
      }),
    { startUp, writes: true },
  )
}

const refused = (because: string): Problem =>
  new Problem('MigrationFailed', `Nothing was changed: ${because}`)

/** Refuses while somebody works with the schema, or relies on what it would take along. */
async function refuseMove(sql: Sql): Promise<void> {
  const [row] = await sql<[{ sessions: string[]; aside: string[] }]>`
    select to_jsonb(array(select format('process %s (%s)', pid, application_name) from pg_catalog.pg_stat_activity
                           where datname = current_database() and pid <> pg_backend_pid() and application_name ~ '^viewkeeper' order by pid)) as sessions,
           to_jsonb(array(select name from viewkeeper.set_aside order by act, position)) as aside`
  if (row.sessions.length > 0)
    throw refused(
      `Viewkeeper is at work: ${names(row.sessions, 5)}. Stop every serve, function and command on this database first`,
    )
  if (row.aside.length > 0)
    throw refused(
      `the schema remembers ${names(row.aside, 5)}, set aside. Make them again first, with the version that did it: npx viewkeeper put-back`,
    )
  await refuseDependents(
    sql,
    'and would not see its new record',
    'Drop these, and make them again when the schema is there.',
  )
}
