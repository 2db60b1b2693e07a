import { readFileSync } from 'node:fs'
import { fromUrl } from '../src/keeper/database-url.ts'
import { migrate } from '../src/own-schema/apply.ts'
import { schemaFolder } from '../src/package-files.ts'
import { refresh } from '../src/run/refresh.ts'
import { connectTo } from '../src/server/connect.ts'
import type { Sql } from '../src/server/database.ts'
import { administrator, callOn } from '../test/support/servers/database.ts'
import { startStandby } from '../test/support/servers/standby.ts'
import { startTestServer } from '../test/support/servers/test-server.ts'
import { inRounds, type Sample } from './support/measure.ts'
import { compare, type Row } from './support/table.ts'

const calls = 1000

/** Measures a call of the functions that tell how old data are, beside an empty function, on a primary and a standby. Linux. */
export async function measureFreshness(): Promise<Row[]> {
  const primary = await startTestServer()
  const standby = await startStandby(primary)
  const sql = administrator(primary.url)
  try {
    console.error('bench: freshness in SQL, about half a minute')
    const database = connectTo(fromUrl(primary.url))
    await migrate(database, schemaFolder)
    await sql.unsafe(`
      create materialized view sales as select 1 as id;
      create function nothing(text) returns boolean language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as 'begin return true; end';
      insert into viewkeeper.definitions (schema_name, name, source) select 'public', 'v' || i, 'discovered' from generate_series(1, 500) i;
      insert into viewkeeper.definitions (schema_name, name, source) values ('public', 'sales', 'discovered');
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, finished_at)
        select 1 + i % 501, 'public', 'v', 'refresh', 'success', 'schedule', clock_timestamp() from generate_series(1, 100000) i`)
    await refresh({ view: 'sales' }, callOn(database))
    await sql`vacuum analyze`
    await standby.caughtUp()
    const rows: Row[] = [
      {
        title: `PostgreSQL ${primary.version}, 100,000 runs of 501 views: time on the processor for a call, of ${calls} in a loop`,
      },
    ]
    for (const [where, server] of [
      ['on the primary', sql],
      ['on a standby', standby.sql],
    ] as const) {
      const arm = (call: string) => () => server.begin((session) => timed(session as unknown as Sql, call))
      const { empty, ...arms } = await inRounds(
        {
          empty: arm(`nothing('sales')`),
          asOf: arm(`viewkeeper.as_of('sales')`),
          isFresh: arm(`viewkeeper.is_fresh('sales', '1 day')`),
          requireFresh: arm(`viewkeeper.require_fresh('sales', '1 day')`),
        },
        { rounds: 30, warmUp: 3 },
      )
      rows.push(
        { title: where },
        compare('an empty function', empty),
        ...Object.entries(arms).map(([name, samples]) => ({
          ...compare(name, samples, { to: empty }),
          goalMs: 0.1,
        })),
      )
    }
    return rows
  } finally {
    await sql.end({ timeout: 1 })
    await standby.stop()
    await primary.stop()
  }
}

/** The time that the server's process has spent on the processor for a call. */
async function timed(session: Sql, call: string): Promise<Sample> {
  const [row] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`
  const loop = `do $$ begin for i in 1..${calls} loop perform ${call}; end loop; end $$`
  await session.unsafe(loop)
  const before = onProcessorNs(row?.pid)
  await session.unsafe(loop)
  return { ms: (onProcessorNs(row?.pid) - before) / 1e6 / calls, reads: [] }
}

const onProcessorNs = (pid: number | undefined): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0])
