import { count, report, timed } from '../cli/output/report.ts'
import { nightly } from '../src/plan/monitoring/nightly.ts'
import { Problem } from '../src/problem.ts'
import { describeDatabase, migrateDatabase } from './database.ts'
import { refreshFirst } from './demo/first-refresh.ts'
import { printHints } from './demo/hints.ts'
import { loadDemo } from './demo/load.ts'
import { makeDemoViews } from './demo/views.ts'
import { startEmbeddedPostgres } from './embedded/embedded.ts'
import { isPortFree } from './embedded/port.ts'
import { localBatches } from './gateway/batches.ts'
import { startGateway } from './gateway/gateway.ts'
import { loadFunction } from './gateway/invoke.ts'
import { startMonitor } from './gateway/monitor.ts'
import { startSchedules } from './gateway/schedules.ts'
import { type Life, untilSignal } from './process/lifetime.ts'
import { showLogs } from './process/logs.ts'
import { readOptions } from './process/options.ts'
import { LocalProblem } from './process/problem.ts'

async function start(life: Life) {
  const { port, folder, databaseUrl } = readOptions(process.env)
  if (!(await isPortFree(port))) throw new LocalProblem(`port ${port} is taken: set PORT to another one`)
  report.title('viewkeeper · local')

  if (databaseUrl) {
    await describeDatabase()
  } else {
    // The functions read it on their first call.
    process.env.DATABASE_URL = await startEmbedded(folder, life)
    await fillWithDemo(process.env.DATABASE_URL)
  }
  await migrateDatabase()
  const demo = databaseUrl ? { views: [], scheduled: [] } : await migrateDemo()

  const mute = showLogs(process.env)
  const batches = localBatches()
  const gateway = await startGateway({
    port,
    functions: async (name) => (name === 'start-batch' ? batches.startBatch : loadFunction(name)),
  })
  await life.onStop(gateway.close)
  await life.onStop(mute) // what the functions say when their database goes is no news
  report.line()
  if (databaseUrl) {
    report.line('nothing is refreshed or scheduled here until asked')
    const { resumed, watched } = await batches.resumeUnattended((id) =>
      report.line(`batch ${id} goes on here: nobody advances it any more`),
    )
    if (resumed > 0)
      report.line(`${count(resumed, 'batch', 'batches')} that nobody advanced any more goes on here`)
    if (watched > 0)
      report.line(
        `${count(watched, 'open batch', 'open batches')}: left to whoever advances it; should nobody, it goes on here in some seconds`,
      )
  } else {
    const open = await batches.resume()
    if (open > 0) report.line(`${count(open, 'batch', 'batches')} of the last start goes on`)
    else await refreshFirst(gateway.url, demo.views)
    // What the monitor and the reads go by when they judge how old data may be.
    process.env.NIGHTLY_SCHEDULE = nightly.schedule
    process.env.NIGHTLY_TIME_ZONE = nightly.timeZone
    process.env.VIEW_SCHEDULES = 'true'
    const stopSchedules = startSchedules(batches.startBatch, demo.scheduled)
    await life.onStop(async () => stopSchedules())
    // Not on another Postgres: ended runs that are published here would be missing from that environment's alarms.
    await life.onStop(startMonitor(await loadFunction('monitor')))
  }
  await printHints(gateway.url)
}

async function startEmbedded(folder: string, life: Life): Promise<string> {
  const [server, ms] = await timed(() => startEmbeddedPostgres({ folder }))
  await life.onStop(server.stop)
  server.ended.then(() =>
    life.fail(new LocalProblem(`PostgreSQL has ended by itself; its log is in ${folder}`)),
  )
  report.step(`postgres ${server.version}`, `embedded, ${folder}/`, ms)
  return server.url
}

async function fillWithDemo(url: string) {
  const [{ flights, airports, zipcodes, loaded }, ms] = await timed(() => loadDemo(url))
  const rows = [count(flights, 'flight'), count(airports, 'airport'), count(zipcodes, 'zip code')].join(', ')
  report.step('demo data', loaded ? rows : `${rows} (kept)`, ms)
}

async function migrateDemo() {
  const [{ views, scheduled, applied }, ms] = await timed(makeDemoViews)
  report.step(
    'views',
    applied > 0
      ? `${count(views.length, 'view')}, from their frozen migrations`
      : `${count(views.length, 'view')} (kept)`,
    ms,
  )
  return { views, scheduled }
}

try {
  await untilSignal(start)
} catch (error) {
  const isExpected = error instanceof LocalProblem || error instanceof Problem
  console.error(isExpected ? `viewkeeper: ${error.message}` : error)
  process.exit(1)
}
