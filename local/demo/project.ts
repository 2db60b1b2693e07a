import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import postgres from 'postgres'
import type { LocalProject } from '../../serve/start/database.ts'
import { safePath } from '../../src/sql/settings.ts'
import { count, report, timed } from '../../src/terminal/report.ts'
import { startEmbeddedPostgres } from '../embedded/embedded.ts'

const rowsPerChunk = 5_000

/** The first `count` flights of the file, as lines for `copy`. Dates, numbers and codes need no escaping. */
async function* readFlights(path: string, count: number): AsyncGenerator<string> {
  const file = await asyncBufferFromFile(path)
  const rows = await parquetReadObjects({ file, compressors, rowStart: 0, rowEnd: count })
  for (let at = 0; at < rows.length; at += rowsPerChunk) {
    yield rows
      .slice(at, at + rowsPerChunk)
      .map(line)
      .join('')
  }
}

const line = ({ date, delay, distance, origin, destination }: Record<string, unknown>) =>
  `${(date as Date).toISOString()}\t${delay}\t${distance}\t${origin}\t${destination}\n`

const datasets = fileURLToPath(new URL('../data', import.meta.resolve('vega-datasets')))
const readSql = (name: string) => readFile(new URL(`./${name}.sql`, import.meta.url), 'utf8')

interface DemoCounts {
  flights: number
  airports: number
  zipcodes: number
}

/**
 * Loads the demo's tables into schema `public` unless they exist. Returns whether they were loaded, and the
 * row count of each table.
 */
export async function loadDemo(url: string): Promise<DemoCounts & { loaded: boolean }> {
  const sql = postgres(url, { max: 1, onnotice() {}, connection: { search_path: safePath } })
  try {
    const [{ there } = {}] = await sql`select to_regclass('public.flights') is not null as there`
    // One transaction: if the start is killed here, no table remains, and the next start loads all of them.
    if (!there) await sql.begin(load)
    const [counts] = await sql<[DemoCounts]>`
      select (select count(*)::int from public.flights) as flights,
             (select count(*)::int from public.airports) as airports,
             (select count(*)::int from public.zipcodes) as zipcodes`
    return { ...counts, loaded: !there }
  } finally {
    await sql.end()
  }
}

async function load(sql: postgres.TransactionSql) {
  await sql`set local search_path = public`
  await sql.unsafe(await readSql('tables')).simple()
  for (const table of ['airports', 'zipcodes']) {
    const copy = await sql`copy ${sql(table)} from stdin (format csv, header)`.writable()
    await pipeline(createReadStream(join(datasets, `${table}.csv`)), copy)
  }
  const copy = await sql`copy flights (date, delay, distance, origin, destination) from stdin`.writable()
  await pipeline(readFlights(join(datasets, 'flights-3m.parquet'), 200_000), copy)
  await sql.unsafe(await readSql('indexes')).simple()
  await sql.unsafe('analyze flights, airports, zipcodes')
}

/** The demo: real flights, and views on them that are authored and frozen in this folder. */
export const demo: LocalProject = {
  command: 'npm start',
  startServer: startEmbeddedPostgres,
  addressCommand: 'npm run -s database-url',
  migrations: new URL('./migrations/', import.meta.url),
  example: 'route_delays',
  async loadTables(url) {
    const [{ flights, airports, zipcodes, loaded }, ms] = await timed(() => loadDemo(url))
    const rows = [count(flights, 'flight'), count(airports, 'airport'), count(zipcodes, 'zip code')].join(
      ', ',
    )
    report.done('demo data', loaded ? rows : `${rows} (kept)`, ms)
  },
}
