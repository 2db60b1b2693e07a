import type { Sql } from '../../server/connect.ts'
import { literal } from '../../sql/names.ts'
import type { Sandbox } from '../../sql/plan.ts'
import { safePath } from '../../sql/settings.ts'

/**
 * Executes somebody else's statement without letting their code run as us. Even parsing runs code: a constant
 * of a domain's array runs the domain's CHECK. Under `set role` such code can `reset role`, and then runs as
 * us. So a function that fills a materialized view executes the statement: there, as in a refresh, the server
 * itself refuses every change of role, deferred triggers, and cursors that outlive the statement, and takes
 * back every setting. A `security definer` function alone is not enough: a trigger that is deferred again
 * (before 18) and a cursor `with hold` run at the commit, as the committing role. Nobody else sees the
 * function and the view, and no foreign code runs before they are used.
 */
export const sandboxBody = `begin perform pg_catalog.set_config('search_path', $2, true); execute $1; return 1; end`

/** Executes a sandboxed statement from the client, in the current transaction. */
export async function executeSandboxed(
  sql: Sql,
  sandbox: Sandbox,
  statement: string,
  path: string,
): Promise<void> {
  const [before] = await sql<{ role: string }[]>`select current_setting('role') as role`
  const role = before?.role ?? 'none'
  await sql.unsafe(
    sandboxedText(sandbox, statement, path, `select pg_catalog.set_config('role', ${literal(role)}, true)`),
  )
}

/** The same as a text of several statements; the last but one, `back`, takes the role that the session had. */
export function sandboxedText(
  { role, schema }: Sandbox,
  statement: string,
  path: string,
  back: string,
): string {
  const name = `${schema}.viewkeeper_sandbox_${crypto.randomUUID().replaceAll('-', '')}`
  return [
    `set local role ${role}`,
    `create function ${name}(text, text) returns integer language plpgsql as ${literal(sandboxBody)}`,
    `create materialized view ${name} as select ${name}(${literal(statement)}::text, ${literal(path)}::text)`,
    `drop materialized view ${name}`,
    `drop function ${name}(text, text)`,
    back,
    `set search_path to ${safePath}`,
  ].join(';\n')
}
