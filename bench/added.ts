import { basename, resolve } from 'node:path'
import { startNetwork } from '../test/faults/support/proxy.ts'
import { bareRefresh, connectAndRefresh, openWarm, recordAndEnvelope, wholeRefresh } from './operations.ts'
import {
  inRounds,
  makeViews,
  median,
  readGaps,
  runBatch,
  runSettings,
  type Sample,
  sampleOf,
} from './support/measure.ts'
import { type BenchServer, loadCode, ownCode, withOtherDatabase, withServer } from './support/server.ts'
import { compare, type Row, writeTable } from './support/table.ts'

/** A checkout under measurement, and what the table calls it. */
interface Subject {
  label: string
  server: BenchServer
}

const tinyViews = 1000

/**
 * Measures what Viewkeeper adds to bare refreshes. With `against`, a folder with another commit and its modules, both
 * commits take turns on one server, each in a database of its own.
 */
export const measureAdded = ({ against }: { against?: string | undefined } = {}): Promise<Row[]> =>
  withServer(async (server) => {
    const own = { label: 'this commit', server }
    if (against === undefined) return measureSubjects([own])
    const code = await loadCode(against)
    return withOtherDatabase(server, code, (other) =>
      measureSubjects([own, { label: basename(resolve(against)), server: other }]),
    )
  })

async function measureSubjects(subjects: Subject[]): Promise<Row[]> {
  for (const { server } of subjects) await makeTinyViews(server)
  const rows: Row[] = [{ title: `PostgreSQL ${subjects[0]!.server.version}` }]
  for (const measurePart of [measureOne, measureFar, measureGap, measureThousand]) {
    const part = await measurePart(subjects)
    console.error(writeTable(part))
    rows.push(...part)
  }
  return rows
}

/** One view of 10 rows that benchmarks refresh by itself, and many that a batch refreshes. */
async function makeTinyViews({ sql }: BenchServer): Promise<void> {
  const views = ['bench.tiny', ...Array.from({ length: tinyViews }, (_, at) => `tiny.v${at}`)]
  await sql.unsafe(`
    create schema bench; create schema tiny;
    create table bench.ten as select id, id / 100.0 as amount from generate_series(1, 10) id;
    analyze bench.ten;
    ${views.map((view) => `create materialized view ${view} as select id, amount from bench.ten;`).join('\n')}`)
}

const goals = { 'warm connection': 0.6, 'new connection': 1, 'whole call': 0.7 }
const recordedWays = Object.keys(goals) as (keyof typeof goals)[]

async function measureOne(subjects: Subject[]): Promise<Row[]> {
  console.error('bench: one view, about 1 minute')
  const opened = await Promise.all(subjects.map(({ server }) => openWarm(server)))
  const arms = subjects.map(({ server }, at) => ({
    bare: () => bareRefresh(server.sql, 'tiny'),
    'warm connection': opened[at]!.sample,
    'new connection': () => recordAndEnvelope(server, (id) => server.database.open(runSettings(id))),
    'whole call': () => wholeRefresh(server, 'tiny'),
  }))
  const samples = await inRounds(
    Object.fromEntries(
      arms.flatMap((of, at) => Object.entries(of).map(([name, arm]) => [`${name} ${at}`, arm] as const)),
    ),
    { rounds: 100, warmUp: 20 },
  )
  await Promise.all(opened.map(({ leave }) => leave()))
  const rows = recordedWays.flatMap((way) => {
    const added = subjects.map((_, at) => above(samples[`${way} ${at}`]!, samples[`bare ${at}`]!))
    return compareSubjects(subjects, way, added, goals[way])
  })
  return [{ title: 'Added to a bare refresh of 10 rows' }, ...rows]
}

/** The same from afar: each piece takes a millisecond each way, as between two zones of a region. */
async function measureFar(subjects: Subject[]): Promise<Row[]> {
  console.error('bench: from afar, about 1 minute')
  const networks = await Promise.all(
    subjects.map(({ server }) => startNetwork(Number(new URL(server.url).port))),
  )
  const far = subjects.map(({ server }, at) => {
    const { port, delay } = networks[at]!
    delay(1)
    const { connectTo, fromUrl } = server.code ?? ownCode
    const url = Object.assign(new URL(server.url), { port: `${port}` }).href
    return { ...server, database: connectTo(fromUrl(url)) }
  })
  const arms = [
    () => connectAndRefresh(far[0]!, 'tiny'),
    ...far.map((server) => () => wholeRefresh(server, 'tiny')),
  ]
  const [bare, ...whole] = await takingTurns(arms, { rounds: 30, warmUp: 5 }, (arm) => arm())
  for (const { close } of networks) close()
  return [
    { title: 'With a millisecond each way' },
    compare('a login and a bare refresh', bare!),
    ...compareSubjects(subjects, 'whole call', whole, goals['whole call']),
  ]
}

/** What samples took above others of the same rounds. */
const above = (samples: Sample[], bare: Sample[]): Sample[] =>
  samples.map((sample, at) => ({
    ms: sample.ms - bare[at]!.ms,
    ...(sample.walBytes !== undefined && { walBytes: sample.walBytes - (bare[at]!.walBytes ?? 0) }),
    reads: [],
  }))

async function measureGap(subjects: Subject[]): Promise<Row[]> {
  console.error('bench: chains of 40 views, about 1 minute')
  const nodes = Array.from({ length: 40 }, (_, at) => ({
    name: `v${at}`,
    reads: at === 0 ? [] : [`v${at - 1}`],
    seconds: 0.02,
  }))
  for (const { server } of subjects) await makeViews(server.sql, 'chain', nodes, 'asleep')
  const gaps = await takingTurns(subjects, { rounds: 6, warmUp: 1 }, async ({ server }) => {
    const { id } = await runBatch(server, { pattern: 'chain.*', strategy: 'regular' })
    return sampleOf(median(await readGaps(server.sql, id)))
  })
  return [
    { title: "From a parent's end to its child's start, the medians of chains" },
    ...compareSubjects(subjects, 'gap', gaps, 0.8),
  ]
}

async function measureThousand(subjects: Subject[]): Promise<Row[]> {
  console.error('bench: 1,000 tiny views, about 5 minutes')
  const { server: own } = subjects[0]!
  const batch = (server: BenchServer, strategy?: 'regular') => async () =>
    sampleOf((await runBatch(server, { pattern: 'tiny.*', strategy })).wholeMs)
  const arms = [() => loopOver(own), batch(own), ...subjects.map(({ server }) => batch(server, 'regular'))]
  const [loops, defaults, ...regular] = await takingTurns(arms, { rounds: 3, warmUp: 1 }, (arm) => arm())
  return [
    { title: '1,000 views of 10 rows' },
    compare('a bare loop on one connection', loops!),
    compare('one batch, two at once, auto: this commit', defaults!, { to: loops!, goal: 1.3 }),
    ...subjects.map(({ label }, at) =>
      compare(`one batch, two at once, regular: ${label}`, regular[at]!, {
        to: loops!,
        ...(at === 0 && { goal: 1.3 }),
      }),
    ),
  ]
}

async function loopOver({ sql }: BenchServer): Promise<Sample> {
  const start = performance.now()
  for (let at = 0; at < tinyViews; at++) await sql.unsafe(`refresh materialized view tiny.v${at}`).simple()
  return sampleOf(performance.now() - start)
}

/** Measures each thing in turn. Returns the samples in the order of the things. */
async function takingTurns<Thing>(
  things: Thing[],
  counts: { rounds: number; warmUp: number },
  measure: (thing: Thing) => Promise<Sample>,
): Promise<Sample[][]> {
  const arms = Object.fromEntries(things.map((thing, at) => [`arm ${at}`, () => measure(thing)]))
  return Object.values(await inRounds(arms, counts))
}

/** The row of this commit, its ratio that of the medians, then the row of the other commit. */
function compareSubjects(subjects: Subject[], what: string, samples: Sample[][], goal: number): Row[] {
  return subjects.map(({ label }, at) => {
    const row = compare(`${what}: ${label}`, samples[at]!)
    const [own, other] = samples.map((all) => median(all.map(({ ms }) => ms)))
    return at === 0 && other !== undefined ? { ...row, ratio: { measured: own! / other, goal } } : row
  })
}
