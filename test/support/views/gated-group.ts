import type { Sql } from '../../../src/server/database.ts'
import { define } from '../record/rows.ts'
import { makeGatedView } from './slow-view.ts'

/**
 * Makes a table, a view of it, a plain view above that, a gated view above that, and a view on top: all in schema public.
 * Each view has the number of the table's rows, so views of one state agree.
 */
export async function makeGatedGroup(sql: Sql, name: string): Promise<void> {
  await sql.unsafe(`
    create table ${name}_t (v int); insert into ${name}_t values (1);
    create materialized view ${name}_base as select 1 as id, count(*)::int as n from ${name}_t;
    create unique index ${name}_base_key on ${name}_base (id);
    create view ${name}_plain as select id, n from ${name}_base`)
  await makeGatedView(sql, `${name}_mid`, `select id, n from ${name}_plain`)
  // What the gate reads nobody can see, but the author of the view knows it.
  await define(sql, `${name}_mid`, { source: 'discovered', dependsOn: [`${name}_t`] })
  await sql.unsafe(`
    create materialized view ${name}_top as select m.id, m.n from ${name}_mid m join ${name}_base b using (id);
    create unique index ${name}_top_key on ${name}_top (id);
    insert into ${name}_t values (2)`)
}

/** The materialized views of a gated group, parents first. */
export const gatedGroup = (name: string): string[] => ['base', 'mid', 'top'].map((view) => `${name}_${view}`)

/** The number of rows that each view of a gated group tells. */
export async function tellRows(sql: Sql, name: string): Promise<number[]> {
  const [row] = await sql.unsafe(
    `select b.n as base, p.n as plain, m.n as mid, t.n as top from ${name}_base b, ${name}_plain p, ${name}_mid m, ${name}_top t`,
  )
  return Object.values(row ?? {}) as number[]
}

/** The schemas of shadows that are there. */
export const shadowSchemas = async (sql: Sql): Promise<string[]> =>
  (
    await sql`select nspname as name from pg_namespace where nspname like 'viewkeeper\\_%' and nspname <> 'viewkeeper_logs' order by 1`
  ).map(({ name }) => name)
