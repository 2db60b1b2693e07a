import type { Sql } from '../server/connect.ts'

/** Since when everything scheduled is paused, and by whom. */
export interface Pause {
  since: Date
  by: string
}

/** The pause of everything scheduled; null if there is none. */
export async function readPause(sql: Sql): Promise<Pause | null> {
  const [row] = await sql<Pause[]>`
    select (value ->> 'since')::timestamptz as since, value ->> 'by' as by from viewkeeper.switches where key = 'paused'`
  return row ?? null
}

/** Pauses or resumes everything scheduled, in force at once. */
export async function setPause(sql: Sql, paused: boolean, by: string): Promise<void> {
  if (paused) {
    await sql`
      insert into viewkeeper.switches (key, value)
      values ('paused', jsonb_build_object('since', clock_timestamp(), 'by', ${by}::text))
      on conflict (key) do nothing`
  } else await sql`delete from viewkeeper.switches where key = 'paused'`
}

/** Pauses or resumes one view, in force at once. */
export async function setViewPause(sql: Sql, definitionId: number, paused: boolean): Promise<void> {
  await sql`
    update viewkeeper.definitions
       set paused_at = case when ${paused} then coalesce(paused_at, clock_timestamp()) end, updated_at = clock_timestamp()
     where id = ${definitionId} and (paused_at is not null) <> ${paused}`
}
