import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { safePath } from '../../src/sql/settings.ts'
import { readFlights } from './flights.ts'

const datasets = fileURLToPath(new URL('../data', import.meta.resolve('vega-datasets')))
const readSql = (name: string) => readFile(new URL(`./${name}.sql`, import.meta.url), 'utf8')

export interface DemoCounts {
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
