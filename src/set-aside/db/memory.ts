import type { Sql } from '../../server/connect.ts'
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
