import { setTimeout as pause } from 'node:timers/promises'
import type { Database, Sql } from '../../server/database.ts'
import type { QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

/** For so long the server may still record a run whose connection has broken. */
const onItsWayMs = 1000
const lookMs = 100

/**
 * The id of a run whose connection broke before the server said whether it has recorded the run, which it then executes. Throws
 * `lost`, which broke the connection, if the server has not, or cannot be asked.
 */
export async function findSentRun(
  database: Database,
  run: QualifiedName,
  sentAs: string,
  lost: unknown,
): Promise<number> {
  if (!(lost instanceof Problem)) throw lost
  const until = Date.now() + onItsWayMs
  const find = async (sql: Sql): Promise<number | undefined> => {
    const id = await findSent(sql, run, sentAs)
    if (id !== undefined || Date.now() >= until) return id
    await pause(lookMs)
    return find(sql)
  }
  const id = await database.withConnection(find).catch(() => undefined)
  if (id !== undefined) return id
  const text = `${lost.message} A run may be going on: look at the newest run of the view.`
  throw new Problem(lost.code, text, { ...lost.details, cause: lost })
}

/** The id of the run of the last minutes that was sent so; undefined if there is none. */
async function findSent(
  sql: Sql,
  { schema, name }: QualifiedName,
  sentAs: string,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.runs
     where schema_name = ${schema} and view_name = ${name} and meta ->> 'sentAs' = ${sentAs}
       and requested_at > clock_timestamp() - interval '5 minutes'`
  return row?.id
}
