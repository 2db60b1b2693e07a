import type { Sql } from '../../server/database.ts'
import { newestPage, type Page, type Paged, pageOf } from '../../server/paging.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import type { RunStatus } from '../../words/run.ts'
import type { ActionName } from '../plan/action-words.ts'

/** What somebody did, a person or a program: one row of `viewkeeper.actions`. */
export interface Action {
  id: number
  at: Date
  action: ActionName
  requestedBy: string
  /** The views by name. Empty: those of the batch, everything that is scheduled (`pause`, `resume`), or none. */
  views: string[]
  runId: number | null
  batchId: string | null
  /** Of the run or the batch: how what was asked for ended. Null: it has neither, or that is pruned. */
  status: RunStatus | null
  /** The options of the deed. */
  request: Record<string, unknown>
}

export interface ActionFilter {
  /** Only what concerns this view: by its name, as one of a batch, or as everything that is scheduled. */
  view?: QualifiedName | undefined
  action?: ActionName | undefined
  since?: Date
  until?: Date
  /** Only actions with a smaller id: the last id of the previous page. */
  before?: number
  limit: number
}

/** A page of actions, newest first. `next` is the `before` of the next page, null on the last page. */
export async function readActions(
  sql: Sql,
  { view, action, since, until, before, limit }: ActionFilter,
): Promise<Page<Action, number>> {
  const found = sql`
    select a.id as key, octet_length(a.views::text) + octet_length(a.request::text) as bytes
      from viewkeeper.actions a
     where ${view === undefined ? sql`true` : concerns(sql, view)}
       and ${action === undefined ? sql`true` : sql`a.action = ${action}`}
       and ${since === undefined ? sql`true` : sql`a.at >= ${since}`}
       and ${until === undefined ? sql`true` : sql`a.at < ${until}`}
       and ${before === undefined ? sql`true` : sql`a.id < ${before}`}`
  const rows = await sql<Paged<Action>[]>`
    with ${newestPage(sql, found, limit)}
    select a.id, a.at, a.action, a.requested_by as "requestedBy", a.views, a.run_id as "runId", a.batch_id as "batchId",
           coalesce(r.status, b.status) as status, a.request, page.is_last as "isLast"
      from page join viewkeeper.actions a on a.id = page.key
      left join viewkeeper.runs r on r.id = a.run_id left join viewkeeper.batches b on b.id = a.batch_id
     order by a.id desc`
  return pageOf(rows, ({ id }) => id)
}

/** The server writes the names of runs, and quotes keywords; the command line writes those that it sets aside, and does not. */
const concerns = (sql: Sql, { schema, name }: QualifiedName) => sql`
  (a.views ?| array[format('%I.%I', ${schema}::text, ${name}::text), ${displayName({ schema, name })}] or a.views = '[]' and a.action in ('pause', 'resume')
   or a.batch_id = any (array(select v.batch_id from viewkeeper.batch_views v
                               where v.schema_name = ${schema} and v.view_name = ${name})))`

/** Removes the actions that are older than `days`. */
export async function pruneActions(sql: Sql, days: number): Promise<void> {
  await sql`
    delete from viewkeeper.actions where at < clock_timestamp() - make_interval(days => ${days})`
}
