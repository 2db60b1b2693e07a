import postgres, { type Sql } from 'postgres'
import { until } from '../waiting/until.ts'

/**
 * Makes a view whose every refresh waits until the gate is opened, so that the test decides how long the
 * server is in the middle of the refresh. The gate is an advisory lock that the test holds and the view's
 * function takes.
 */
export async function makeGatedView(sql: Sql, name: string, body = 'select 1 as id'): Promise<void> {
  await sql.unsafe(`
    create function ${name}_gate() returns integer language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(hashtext('${name}'));
      -- a server that has these to tell a client that is gone would roll the refresh back
      for i in 1..2000 loop raise notice '%', repeat('x', 1000); end loop;
      return 1;
    end $$;
    create materialized view ${name} as select b.* from (${body}) b, ${name}_gate();
    create unique index ${name}_key on ${name} (id)`)
}

/** Closes the gate while `work` runs; `open` lets the server go on. */
export async function withGateClosed<T>(
  sql: Sql,
  name: string,
  work: (open: () => Promise<void>) => Promise<T>,
): Promise<T> {
  // A client of its own, because a reserved connection that breaks ends the process.
  const keeper = postgres({ ...(sql.options as object), max: 1, idle_timeout: 0, onnotice: () => {} })
  await keeper`select pg_advisory_lock(hashtext(${name}))`
  const open = async () => {
    await keeper`select pg_advisory_unlock_all()`.catch(() => {}) // a server that crashed has opened the gate already
  }
  try {
    return await work(open)
  } finally {
    await keeper.end({ timeout: 0 })
  }
}

/** Waits until the refresh of a gated view stands before its gate. */
export const untilAtGate = (sql: Sql, name: string): Promise<number> =>
  until(`the refresh of ${name} stands before its gate`, () => findAtGate(sql, name))

/** Terminates a server process, and waits until it is gone. */
export async function endProcess(sql: Sql, pid: number): Promise<void> {
  await sql`select pg_terminate_backend(${pid})`
  await until('the server process is gone', async () => {
    return (await sql`select from pg_stat_activity where pid = ${pid}`).length === 0
  })
}

/** The process whose refresh stands before the gate of a view; undefined if none does. */
export async function findAtGate(sql: Sql, name: string): Promise<number | undefined> {
  const [row] = await sql`
    select l.pid from pg_locks l
     where l.locktype = 'advisory' and not l.granted and l.objid::int8 = hashtext(${name})::int8 & 4294967295
       and l.database = (select oid from pg_database where datname = current_database())`
  return row?.pid
}
