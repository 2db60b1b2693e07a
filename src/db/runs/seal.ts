import { literal } from '../../plan/names.ts'
import type { Seal } from '../../plan/plan.ts'
import type { Sql } from '../server/connect.ts'
import { safePath } from '../server/search-path.ts'

/**
 * How a statement that somebody else has written is parsed without his code running as us. Parsing runs code: of a
 * constant of a domain's array, the domain's CHECK. Under `set role` such code can `reset role`, and is us. So the statement is
 * executed by a function that fills a materialized view: there the server itself refuses every change of role, deferred
 * triggers and cursors that outlive the statement, and takes back every setting; it does the same for a refresh.
 * A `security definer` function alone does not do: a trigger that is deferred anew, before 18, and a cursor `with hold`
 * run at the commit, as whoever commits. Nobody else sees the two objects, and none of his code runs before they are used.
 */
export const sealBody = `begin perform pg_catalog.set_config('search_path', $2, true); execute $1; return 1; end`

/** Executes a statement sealed, from the client, within the transaction at hand. */
export async function executeSealed(
  sql: Sql,
  { role, schema }: Seal,
  statement: string,
  path: string,
): Promise<void> {
  const name = `${schema}.viewkeeper_seal_${crypto.randomUUID().replaceAll('-', '')}`
  const [before] = await sql<{ role: string }[]>`select current_setting('role') as role`
  await sql.unsafe(`set local role ${role}`)
  await sql.unsafe(
    `create function ${name}(text, text) returns integer language plpgsql as ${literal(sealBody)}`,
  )
  await sql.unsafe(
    `create materialized view ${name} as select ${name}(${literal(statement)}::text, ${literal(path)}::text)`,
  )
  await sql.unsafe(`drop materialized view ${name}`)
  await sql.unsafe(`drop function ${name}(text, text)`)
  await sql`select set_config('role', ${before?.role ?? 'none'}, true), set_config('search_path', ${safePath}, false)`
}
