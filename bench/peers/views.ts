import type { Sql } from '../../src/server/database.ts'
import { unevenGraph } from '../support/graphs.ts'

/** One of the views that every tool refreshes. */
export interface PeerView {
  name: string
  reads: string[]
  rows: number
}

const mostRows = 60_000

/** 40 views in the order of their dependencies; their names do not tell the order. */
export const peerViews: PeerView[] = unevenGraph(11, 40).map(({ name, reads, seconds }) => ({
  name,
  reads,
  rows: Math.min(mostRows, Math.round(seconds * 30_000)),
}))

/** The view with the most rows, which the readers read. */
export const readView = peerViews.toSorted((a, b) => b.rows - a.rows)[0]!

/**
 * The query of a view. `version` of every second row is the latest version of what the view reads: so a refresh changes
 * half of the rows, and a view that was refreshed before its parents shows the old version.
 */
export function queryOf({ reads, rows }: PeerView, reference: (view: string) => string): string {
  const sources = reads.map((read) => `(select max(version) from ${reference(read)})`)
  const version = sources.length === 0 ? '(select n from peers.versions)' : `least(${sources.join(', ')})`
  return `select o.id, o.amount, o.note, case when o.id % 2 = 0 then s.version else 0 end as version
    from peers.orders o cross join (select ${version} as version) s where o.id <= ${rows}`
}

/** Makes the views in schema `peers`, with a unique index each. */
export async function makePeerViews(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema peers;
    create table peers.orders (id integer primary key, amount numeric(10,2), note text);
    insert into peers.orders
      select id, id % 100000 / 100.0, 'order ' || md5(id::text) from generate_series(1, ${mostRows}) id;
    create table peers.versions (n integer);
    insert into peers.versions values (1);
    analyze peers.orders`)
  for (const view of peerViews)
    await sql.unsafe(`
      create materialized view peers.${view.name} as ${queryOf(view, (read) => `peers.${read}`)};
      create unique index on peers.${view.name} (id)`)
}

/** Makes the next refresh of every view change half of its rows. */
export const nextVersion = (sql: Sql) => sql`update peers.versions set n = n + 1`

/** How many views show the newest version. */
export async function countFresh(sql: Sql, schema: string): Promise<number> {
  const [row] = await sql.unsafe(`
    select ${peerViews
      .map(({ name }) => `((select max(version) from ${schema}.${name}) = n)::int`)
      .join(' + ')} as fresh from peers.versions`)
  return row!.fresh
}
