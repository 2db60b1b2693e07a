import postgres from 'postgres'
import { onTestFinished } from 'vitest'
import type { Sql } from '../../../src/server/database.ts'
import { ofTestsThemselves } from '../servers/settings.ts'

/** A session that does what pg_dump does, as far as exchanges concern it, at moments that a test chooses. */
export interface Dump {
  pid: number
  /** Asks for the SQL of all that the snapshot has, by OID, and ends. Returns what could not be restored; fails as pg_dump does. */
  finish(): Promise<string[]>
}

interface Found {
  oid: number
  name: string
  kind: string
  /** What an index or a statistics object is on. */
  on: string | null
}

/** Begins a dump: lists the catalog in its snapshot. The dump ends with the test at the latest. */
export async function beginDump(url: string, application = 'pg_dump'): Promise<Dump> {
  const session = postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { ...ofTestsThemselves, application_name: application, search_path: '' },
  }) as Sql
  onTestFinished(() => session.end({ timeout: 0 }))
  const [self] = await session<[{ pid: number }]>`select pg_backend_pid() as pid`
  await session.unsafe(`
    begin transaction isolation level repeatable read, read only;
    select from pg_roles; select from pg_extension; select from pg_foreign_table`)
  const found = await session<Found[]>`
    select c.oid::int8 as oid, c.relname as name, c.relkind as kind, i.indrelid::regclass::text as on
      from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid
     where c.relkind in ('m', 'v', 'i') and n.nspname !~ '^(pg_|information_schema|viewkeeper$)'
    union all
    select oid::int8, stxname, 's', stxrelid::regclass::text from pg_statistic_ext`
  return {
    pid: self.pid,
    async finish() {
      const lost: string[] = []
      for (const { oid, name, kind, on } of found) {
        const about = kind === 'i' ? 'indexdef' : kind === 's' ? 'statisticsobjdef' : 'viewdef'
        const [row] = await session.unsafe<{ sql: string | null }[]>(`select pg_get_${about}(${oid}) as sql`)
        const isWhole =
          row?.sql != null &&
          [name, on].every((each) => kind === 'm' || kind === 'v' || row.sql?.includes(each ?? ''))
        if (!isWhole || row.sql?.includes('viewkeeper_')) lost.push(`${name}: ${row?.sql}`)
      }
      await session.end({ timeout: 0 })
      return lost
    },
  }
}
