import type { Sql } from '../../src/server/connect.ts'
import { makeGatedView } from '../../test/support/views/slow-view.ts'

/**
 * Makes view `mv`, view `slow`, whose refresh stands at a gate, table `bench.alone`, which no view reads, and a function for event
 * triggers. It notifies channel `reload`: `any` for every command, `choosy` for those that leave something changed.
 */
export async function makeWatchedViews(sql: Sql): Promise<void> {
  const query = 'select id, version, note from bench.base'
  await sql.unsafe(`
    create schema bench;
    create table bench.base as select id, 0 as version, md5(id::text) as note from generate_series(1, 10000) id;
    alter table bench.base add primary key (id);
    create table bench.alone (id integer);
    create materialized view mv as ${query}; create unique index mv_id on mv (id);
    create view above as select id from mv;
    create table firings (event text, tag text);
    create function note_firing() returns event_trigger language plpgsql as $$ begin
      insert into public.firings values (tg_event, tg_tag);
      if tg_event = 'ddl_command_end' then
        notify reload, 'any';
        perform pg_notify('reload', 'choosy') from pg_event_trigger_ddl_commands() where command_tag <> 'REFRESH MATERIALIZED VIEW';
      elsif tg_event = 'sql_drop' then
        notify reload, 'any';
        perform pg_notify('reload', 'choosy') from pg_event_trigger_dropped_objects() where not is_temporary;
      end if;
    end $$`)
  await makeGatedView(sql, 'slow', query)
}
