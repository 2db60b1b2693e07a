import { readTouched } from '../src/authored/sql/touched.ts'
import { alter as alterUnderViews } from '../src/set-aside/set-aside.ts'
import { inRounds, measure, type Sample } from './support/measure.ts'
import { type Readers, startReaders } from './support/readers.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

/** Measures how long readers wait while a column gets another type around views, compared with the statement alone. */
export const measureAlter = (): Promise<Row[]> =>
  withServer(async (server) => {
    const rows: Row[] = [{ title: `PostgreSQL ${server.version}` }]
    console.error('bench: changes of a table of 300,000 rows under views, about 2 minutes')
    await server.sql`create schema bench`
    for (const [title, { above, more }] of Object.entries(cases))
      rows.push(...(await inCase(server, title, above, more)))
    return rows
  })

/** How many views read the one that is read, and what else there is. */
const cases = {
  'One view that two views read': { above: 2, more: '' },
  'The same; others refer to the table by a foreign key, so the trial cannot empty it': {
    above: 2,
    more: 'create table bench.notes (id integer references bench.orders)',
  },
  'One view that 80 views read': { above: 80, more: '' },
}

const types = ['bigint', 'integer']

async function inCase(server: BenchServer, title: string, above: number, more: string): Promise<Row[]> {
  const { sql } = server
  const views = definitions(above)
  const makeAll = views.map(({ make }) => make).join(';')
  const dropAll = views
    .toReversed()
    .map(({ drop }) => drop)
    .join(';')
  await sql.unsafe(`
    drop table if exists bench.notes, bench.orders cascade;
    create table bench.orders (id integer primary key, amount integer, version integer);
    insert into bench.orders select i, i % 100, 1 from generate_series(1, 300000) i;
    ${more};
    ${makeAll}`)
  const readers = await startReaders(server.url)
  let at = 0
  const alter = () => `alter table bench.orders alter column amount type ${types[at++ % 2]}`
  const samples = await inRounds(
    {
      bare: async () => {
        await sql.unsafe(dropAll)
        const sample = await measure(sql, () => sql.unsafe(alter()))
        await sql.unsafe(makeAll)
        return sample
      },
      byHand: () =>
        whileRead(sql, readers, () => sql.unsafe(`begin; ${dropAll}; ${alter()}; ${makeAll}; commit`)),
      'viewkeeper alter': () => whileRead(sql, readers, () => change(server, alter())),
    },
    { rounds: 3, warmUp: 0 },
  )
  await readers.leave()
  const { bare, byHand, 'viewkeeper alter': altered } = samples
  return [
    { title },
    compare('the statement alone, the views dropped before', bare),
    compare('dropped, changed and made again in one text by hand', byHand, { to: bare }),
    compare('alter', altered, { to: bare }),
  ]
}

/** The view that is read, and the views above it: every other one is materialized. */
function definitions(above: number): { make: string; drop: string }[] {
  const some = Array.from({ length: above }, (_, at) => {
    const kind = at % 2 === 0 ? 'materialized view' : 'view'
    const name = `bench.above_${at}`
    const index = at % 2 === 0 ? `; create unique index on ${name} (id)` : ''
    return {
      make: `create ${kind} ${name} as select id, amount + ${at} as amount from bench.few${index}`,
      drop: `drop ${kind} ${name}`,
    }
  })
  return [
    {
      make: 'create materialized view bench.few as select id, amount * 1::bigint as amount, version from bench.orders where id <= 1000; create unique index on bench.few (id)',
      drop: 'drop materialized view bench.few',
    },
    ...some,
  ]
}

async function whileRead(
  sql: BenchServer['sql'],
  readers: Readers,
  work: () => Promise<unknown>,
): Promise<Sample> {
  let sample: Sample | undefined
  const reads = await readers.during('bench.few', async () => {
    sample = await measure(sql, work)
  })
  return { ...sample!, reads }
}

const change = async ({ database }: BenchServer, text: string) =>
  alterUnderViews(
    database,
    {
      file: 'change.sql',
      text,
      touched: await readTouched('change.sql', text),
      reading: [],
      given: [],
      dryRun: false,
      requestedBy: 'bench',
      huntMs: 60_000,
    },
    { onPlan: () => {}, onWait: () => {}, onTried: () => {}, onFill: () => {} },
  )
