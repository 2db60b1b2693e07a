import type { Sql } from '../src/server/database.ts'
import { runBatch } from './support/batch.ts'
import { inRounds, type Sample, sampleOf } from './support/measure.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

const nights = {
  quiet: 'A night in which nothing was changed',
  busy: 'A night that changed one of 20 tables',
}

/** Measures batches of 100 views after which little or nothing has changed, with and without `skipUnchanged`. */
export const measureQuiet = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: nights of 100 views, about 5 minutes')
    const { code, sql } = server
    await makeFourLevels(sql)
    const saving = {
      ...server,
      database: code!.connectTo(code!.fromUrl(server.url), { skipUnchanged: true }),
    }
    const rows: Row[] = [
      { title: `PostgreSQL ${server.version}, 100 views in four levels over 20 tables of 20,000 rows` },
    ]
    for (const exchange of ['each', 'together'] as const) {
      for (const [night, title] of Object.entries(nights)) {
        const refreshes: Record<string, number> = {}
        const arm = (name: string, by: BenchServer) => async (): Promise<Sample> => {
          await passNight(sql, night === 'busy')
          const { id, wholeMs } = await runBatch(by, { pattern: 'night.*', exchange })
          refreshes[name] = await countRefreshes(sql, id)
          return sampleOf(wholeMs)
        }
        // One after the other: only what a batch with skipUnchanged has refreshed can be left out by the next one.
        const rounds = { rounds: 3, warmUp: 1 }
        const { all } = await inRounds({ all: arm('all', server) }, rounds)
        const { changed } = await inRounds({ changed: arm('changed', saving) }, rounds)
        rows.push(
          { title: `${title}, exchange: '${exchange}'` },
          compare(`without skipUnchanged: ${refreshes.all} refreshes`, all),
          compare(`with skipUnchanged: ${refreshes.changed} refreshes`, changed, { to: all }),
        )
      }
    }
    return rows
  })

/** 40 views that read two tables each, and 30, 20 and 10 that read two views of the level above each. */
async function makeFourLevels(sql: Sql): Promise<void> {
  await sql`create schema night`
  for (let at = 0; at < 20; at++) {
    await sql.unsafe(`
      create table night.t${at} as select i as id, i % 1000 as customer, md5(i::text) as note from generate_series(1, 20000) i;
      analyze night.t${at}`)
  }
  let above = Array.from({ length: 20 }, (_, at) => `night.t${at}`)
  for (const [level, count] of [40, 30, 20, 10].entries()) {
    const views = Array.from({ length: count }, (_, at) => `night.v${level}_${at}`)
    for (const [at, view] of views.entries()) {
      const [first, second] = [above[at % above.length], above[(at + 1) % above.length]]
      await sql.unsafe(`
        create materialized view ${view} as
          select a.customer as id, a.customer, max(md5(a.note || b.note)) as note from ${first} a join ${second} b on b.id = a.id group by 1, 2;
        create unique index on ${view} (customer)`)
    }
    above = views
  }
}

/** What was refreshed was refreshed hours ago, because a proof goes no further than a minute before now. */
async function passNight(sql: Sql, isBusy: boolean): Promise<void> {
  await sql`
    update viewkeeper.runs set as_of = as_of - interval '3 hours',
           inputs = case when inputs ? 'began' then jsonb_set(inputs, '{began}', to_jsonb((inputs ->> 'began')::timestamptz - interval '3 hours')) else inputs end
     where status in ('success', 'skipped')`
  if (!isBusy) return
  await sql.begin(async (its) => {
    await its`update night.t0 set note = md5(note) where id = 1`
    await its`select pg_stat_force_next_flush()`
  })
}

async function countRefreshes(sql: Sql, batchId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from viewkeeper.runs where batch_id = ${batchId} and status = 'success'`
  return row!.count
}
