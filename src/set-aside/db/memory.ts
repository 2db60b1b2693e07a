import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/rights.ts'
import type { ActionName } from '../../watch/plan/actions.ts'
import { type AsideView, nameOf } from '../plan/items.ts'

/** Something that is set aside. */
export interface SetAside {
  item: AsideView
  name: string
  reading: string[]
  by: string
  at: Date
}

/**
 * Lets one session at a time set aside or put back, until the end of the transaction. Reading goes on.
 */
export const lockMemory = async (sql: Sql): Promise<void> => {
  await sql`lock table viewkeeper.set_aside in share row exclusive mode`
}

/** Remembers what a transaction takes away. */
export async function remember(sql: Sql, items: AsideView[], reading: string[]): Promise<void> {
  const rows = items.map((item, position) => ({ position, name: nameOf(item), item }))
  await sql`
    insert into viewkeeper.set_aside (act, position, kind, name, item, reading)
    select (select coalesce(max(act), 0) + 1 from viewkeeper.set_aside), x.position, 'view', x.name, x.item,
           array(select jsonb_array_elements_text(${sql.json(reading)}))
      from jsonb_to_recordset(${sql.json(rows as never)}) as x(position integer, name text, item jsonb)`
}

/** All that is set aside, in the order in which it is made again. */
export const readSetAside = (sql: Sql): Promise<SetAside[]> => sql<SetAside[]>`
  select item, name, to_jsonb(reading) as reading, set_aside_by::text as by, set_aside_at as at
    from viewkeeper.set_aside order by act desc, position`

/** Forgets things that were set aside. */
export async function forget(sql: Sql, names: string[]): Promise<void> {
  await sql`
    delete from viewkeeper.set_aside where name in (select jsonb_array_elements_text(${sql.json(names)}))`
}

/** What a login does to views without the API. */
interface Act {
  action: ActionName
  requestedBy: string
  views: string[]
  /** The options. */
  request: Record<string, unknown>
}

/**
 * Records what a login did without the API, in the transaction of the deed. Records nothing in a database without the table,
 * and for a login that may not write it.
 */
export async function noteAction(sql: Sql, { action, requestedBy, views, request }: Act): Promise<void> {
  if (await mayUse(sql, 'insert', 'actions'))
    await sql`
      insert into viewkeeper.actions (action, requested_by, views, request)
      values (${action}, ${requestedBy}, ${sql.json(views)}, ${sql.json(request as never)})`
}
