import postgres from 'postgres'
import type { Sql } from '../../../src/server/database.ts'
import { holdLocks } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'
import type { Phase } from './ways.ts'

/** What a session holds that has come to a gate; who closes a gate holds the first exclusively. */
const [passing, arrived] = [7001, 7002]

/**
 * Makes the gates: functions and triggers before which a session of Viewkeeper stops if the gate of that phase is closed. A gate
 * polls, because a wait for a lock would end with the time-outs of the run. Behind the gate it raises what `gates.raised` says.
 * With a row in `gates.pace`, each phase takes up to so long: faults that strike at any moment then meet every phase.
 */
export async function makeGates(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema gates;
    grant usage on schema gates to public;
    create table gates.raised (sqlstate text);
    grant select on gates.raised to public;
    create table gates.pace (seconds float8);
    grant select on gates.pace to public;
    create function gates.pass(phase text) returns integer language plpgsql as $$
    begin
      if current_setting('application_name') not like 'viewkeeper%' then return 0; end if;
      perform pg_catalog.pg_sleep(p.seconds * pg_catalog.random()) from gates.pace p;
      perform pg_catalog.pg_advisory_xact_lock_shared(${arrived}, pg_catalog.hashtext(phase));
      while not pg_catalog.pg_try_advisory_xact_lock_shared(${passing}, pg_catalog.hashtext(phase)) loop
        perform pg_catalog.pg_sleep(0.01);
      end loop;
      if exists (select from gates.raised) then
        raise exception using errcode = (select r.sqlstate from gates.raised r), message = 'as if it were so';
      end if;
      return 0;
    end $$;
    create function gates.index(n bigint) returns bigint language plpgsql immutable as $$
    begin perform gates.pass('indexing'); return n; end $$;
    create function gates.of_run() returns trigger language plpgsql as $$
    begin
      -- Others note later what they did with the end of a run.
      if new.status is not distinct from old.status then return new; end if;
      if new.status = 'running' and old.status = 'pending' then
        perform gates.pass(case when new.view_name = 'mid' then 'between' else 'claim' end);
      elsif new.status in ('success', 'built') then
        perform gates.pass('recording');
      elsif new.status = 'skipped' and new.as_of is not null then
        perform gates.pass('leaving out');
      end if;
      return new;
    end $$;
    create trigger gates before insert or update on viewkeeper.runs for each row execute function gates.of_run();
    create function gates.of_command() returns event_trigger language plpgsql as $$
    begin
      if current_setting('application_name') like '%exchange' or tg_tag = 'DROP MATERIALIZED VIEW'
         and current_setting('application_name') ~ '^viewkeeper (alter|put-back|set-aside)' then
        perform gates.pass('exchange');
      end if;
    end $$;
    create event trigger gates on ddl_command_start when tag in ('ALTER MATERIALIZED VIEW', 'DROP MATERIALIZED VIEW')
      execute function gates.of_command()`)
}

/** A closed gate. */
export interface Gate {
  /** Waits for a session at the gate, and gives its process. */
  met(): Promise<number>
  open(): Promise<void>
}

/** Closes the gate of a phase. Before `locking` stands somebody's lock on the first view. */
export async function closeGate(
  { sql, url }: { sql: Sql; url: string },
  phase: Phase,
  lock: string,
): Promise<Gate> {
  if (phase === 'locking') {
    const holder = await holdLocks(url, lock)
    return {
      met: () => sessionThat(sql, 'stands before a lock', atLock),
      open: async () => void (await holder.letGo()),
    }
  }
  // A client of its own, because a reserved connection that breaks ends the process.
  const keeper = postgres(url, { max: 1, idle_timeout: 0, onnotice: () => {} })
  await keeper`select pg_advisory_lock(${passing}, hashtext(${phase}))`
  return {
    met: () => sessionThat(sql, `stands before gate ${phase}`, (here) => atGate(here, phase)),
    open: () => keeper.end({ timeout: 0 }),
  }
}

const sessionThat = (sql: Sql, what: string, find: (sql: Sql) => Promise<{ pid: number }[]>) =>
  until(`a session ${what}`, async () => (await find(sql))[0]?.pid)

const here = (sql: Sql) => sql`(select oid from pg_database where datname = current_database())`

const atGate = (sql: Sql, phase: string) => sql<{ pid: number }[]>`
  with held as (
    select pid, classid from pg_locks
     where locktype = 'advisory' and granted and objid = (hashtext(${phase})::int8 & 4294967295)::oid and database = ${here(sql)})
  select pid from held where classid = ${arrived} and pid not in (select pid from held where classid = ${passing})`

const atLock = (sql: Sql) => sql<{ pid: number }[]>`
  select pid from pg_stat_activity
   where datname = current_database() and application_name like 'viewkeeper%'
     and (application_name like '% locking%' or wait_event_type = 'Lock')`
