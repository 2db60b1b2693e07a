import { beforeEach } from 'vitest'
import type { Sql } from '../../../src/server/database.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deleteRows } from '../../support/record/rows.ts'

/** The views of the scene, parents before children. */
const tenViews = [
  'keep.lines',
  'keep.totals',
  'keep.open_lines',
  '"Odd one"."By Day"',
  'keep.big',
  'keep.labels',
  'far.counts',
  'keep.top',
  'keep.empty_one',
  'far.summit',
]

/** Two roles that own views, one that only reads, the owner of the memory, and a login that is a member of all owners. */
export const rolesOf = (name: string) => ({
  anna: `${name}_anna`,
  bert: `${name}_bert`,
  reader: `${name}_reader`,
  keeper: `${name}_keeper`,
  login: `${name}_login`,
})

/**
 * A table under ten views of all kinds, over three levels, of two owners, with all that can hang on a view: indexes, grants
 * with grant options, comments, options, statistics and triggers.
 */
export function useScene(sql: Sql, name: string): ReturnType<typeof rolesOf> {
  const roles = rolesOf(name)
  const { anna, bert, reader, keeper, login } = roles
  beforeEach(async () => {
    for (const schema of ['keep', 'far', '"Odd one"'])
      await sql.unsafe(`drop schema if exists ${schema} cascade`)
    await deleteRows(sql, 'setAside')
    for (const role of [anna, bert, reader, keeper, login]) {
      await sql.unsafe(`
        do $$ begin if to_regrole('${role}') is null then create role ${role} login password 'secret'; end if; end $$`)
    }
    await sql.unsafe(`
      alter table viewkeeper.set_aside owner to ${keeper}; grant ${keeper} to ${login}; grant usage, create on schema viewkeeper to ${keeper};
      grant ${anna}, ${bert} to ${login}; grant usage on language plpgsql to public;
      create schema keep authorization ${anna}; create schema far authorization ${bert}; create schema "Odd one" authorization ${anna};
      grant usage, create on schema keep, "Odd one" to ${bert}; grant usage, create on schema far to ${anna};
      grant usage on schema keep, far, "Odd one" to ${reader};
      grant usage on schema viewkeeper to ${login}; grant all on all tables in schema viewkeeper to ${login};
      set role ${anna};
      create table keep.orders (id integer primary key, day date, amount integer, status text);
      insert into keep.orders select i, date '2026-01-01' + i % 5, i, case i % 2 when 0 then 'open' else 'done' end from generate_series(1, 200) i;
      grant select on keep.orders to ${bert} with grant option;
      alter default privileges for role ${anna} in schema keep grant select on tables to ${reader};
      create view keep.lines with (security_barrier) as select id, day, amount, status from keep.orders;
      comment on view keep.lines is 'all lines'; comment on column keep.lines.amount is 'in cents';
      create function keep.note() returns trigger language plpgsql as 'begin return new; end';
      create trigger note instead of insert on keep.lines for each row execute function keep.note();
      comment on trigger note on keep.lines is 'takes notes';
      create materialized view keep.totals with (fillfactor = 70) as select status, sum(amount) as total, count(*) as n from keep.orders group by status;
      create unique index totals_key on keep.totals (status);
      create index totals_total on keep.totals (total desc) where n > 0;
      comment on index keep.totals_total is 'the largest first';
      alter materialized view keep.totals alter column status set statistics 500;
      alter materialized view keep.totals cluster on totals_key;
      grant select (status) on keep.totals to ${reader}; grant select on keep.totals to ${bert} with grant option;
      create view keep.open_lines as select l.* from keep.lines l where l.status = 'open';
      create materialized view "Odd one"."By Day" as select day as "The Day", sum(amount) as "Sum", min(status) as s from keep.orders group by day;
      create index "By Day idx" on "Odd one"."By Day" (("The Day" + 1));
      create statistics "Odd one"."By Stat" (ndistinct) on "The Day", "Sum" from "Odd one"."By Day";
      create materialized view keep.big as select id, amount * 2 as double, status from keep.orders;
      create index big_double on keep.big using brin (double);
      create view keep.labels as select id, status || ' ' || amount as label from keep.open_lines;
      create function keep.total_of(which text) returns bigint language sql stable as 'select total::bigint from keep.totals where status = which';
      comment on function keep.total_of is 'one total'; revoke all on function keep.total_of from public; grant execute on function keep.total_of to ${bert};
      grant select on keep.totals, keep.labels, keep.lines, "Odd one"."By Day", keep.big to ${bert};
      set role ${bert};
      grant select on keep.totals to ${reader};
      create materialized view far.counts as select n, total from keep.totals;
      create view keep.top as select b.id, keep.total_of(b.status) as of_status from keep.big b order by b.double desc limit 5;
      create materialized view keep.empty_one as select id from keep.top with no data;
      create materialized view far.summit as select (select count(*) from keep.labels) as labels, (select max(n) from far.counts) as most, (select max("Sum") from "Odd one"."By Day") as best;
      create unique index summit_key on far.summit (labels);
      create table far.secrets (id integer, status text);
      alter table far.secrets enable row level security;
      reset role`)
  })
  return roles
}

/** All ten views as the catalog describes them, without OIDs; and what reads them. */
export async function describeAll(sql: Sql): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const view of tenViews) {
    const described = JSON.stringify(await describeInCatalog(sql, view))
    const [more] = await sql.unsafe(`
      select jsonb_agg(pg_get_triggerdef(t.oid) || coalesce(obj_description(t.oid, 'pg_trigger'), '')) as triggers,
             (select jsonb_agg(pg_get_ruledef(r.oid) || coalesce(obj_description(r.oid, 'pg_rewrite'), '')) from pg_rewrite r
               where r.ev_class = '${view}'::regclass and r.rulename <> '_RETURN') as rules,
             (select jsonb_agg(pg_get_expr(f.adbin, f.adrelid)) from pg_attrdef f where f.adrelid = '${view}'::regclass) as defaults
        from pg_trigger t where t.tgrelid = '${view}'::regclass`)
    // OIDs, and what the server itself keeps changing
    found[view] = JSON.parse(
      described.replaceAll(
        /"(oid|relfilenode|reltype|stxrelid|reltoastrelid|relfrozenxid|relminmxid|relpages|reltuples|relallvisible|relallfrozen|relhasindex)":("[^"]*"|-?[\d.]+|true|false)/g,
        '"$1":0',
      ),
    )
    found[`${view} more`] = more
  }
  const [functions] = await sql.unsafe(`
    select pg_get_functiondef('keep.total_of'::regproc) as text, proowner::regrole::text as owner, proacl::text as acl,
           obj_description('keep.total_of'::regproc, 'pg_proc') as comment from pg_proc where oid = 'keep.total_of'::regproc`)
  return { ...found, functions }
}

/** What the views show. */
export async function rowsOf(sql: Sql): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const view of tenViews) {
    const [row] = await sql.unsafe(`
      select relispopulated as filled from pg_class where oid = '${view}'::regclass`)
    found[view] = row?.filled
      ? (await sql.unsafe(`select md5(string_agg(x::text, ',' order by x::text)) as rows from ${view} x`))[0]
          ?.rows
      : null
  }
  return found
}
