import { count, report, timed } from '../cli/output/report.ts'
import { connectTo, type Database } from '../src/db/server/connect.ts'
import { fromUrl } from '../src/edge/lambda/database-url.ts'
import { nightly } from '../src/plan/monitoring/nightly.ts'
import { Problem } from '../src/problem.ts'
import { applySchemaSteps, describeDatabase } from './database.ts'
import { refreshFirst } from './demo/first-refresh.ts'
import { printHints } from './demo/hints.ts'
import { loadDemo } from './demo/load.ts'
import { makeDemoViews } from './demo/views.ts'
import { startEmbeddedPostgres } from './embedded/embedded.ts'
import { isPortFree } from './embedded/port.ts'
import { localBatches, localFunctions } from './gateway/batches.ts'
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

  const url = databaseUrl ?? (await startEmbedded(folder, life))
  process.env.DATABASE_URL = url // the functions read it at each call
  const database = connectTo(fromUrl(url))
  if (databaseUrl) await describeDatabase(database, url)
  else await fillWithDemo(url)
  await applySchemaSteps(database)
  const demo = databaseUrl ? { views: [], scheduled: [] } : await migrateDemo(database)

  const mute = showLogs(process.env)
  const batches = localBatches(database)
  const gateway = await startGateway({ port, functions: localFunctions(batches) })
  await life.onStop(gateway.close)
  // Stopping is in reverse order: the logs are hidden before the functions lose their database.
  await life.onStop(mute)
  report.line()
  if (databaseUrl) {
    report.line('no view is refreshed and no schedule runs here: only your requests refresh views')
    const { resumed, watched } = await batches.resumeUnattended((id) =>
      report.line(`batch ${id} goes on here: nobody else advances it any more`),
    )
    if (resumed > 0)
      report.line(`${count(resumed, 'batch', 'batches')} left by other processes: advanced here now`)
    if (watched > 0)
      report.line(
        `${count(watched, 'open batch', 'open batches')}: another process seems to advance ${watched === 1 ? 'it' : 'them'}; ` +
          'if not, this process takes over in some seconds',
      )
  } else {
    const open = await batches.resume()
    if (open > 0) report.line(`${count(open, 'batch', 'batches')} of the last start will go on`)
    else await refreshFirst(gateway.url, demo.views)
    // From these variables the monitor knows how old the data may be, and the reads when a view is refreshed next.
    process.env.NIGHTLY_SCHEDULE = nightly.schedule
    process.env.NIGHTLY_TIME_ZONE = nightly.timeZone
    process.env.VIEW_SCHEDULES = 'true'
    const stopSchedules = startSchedules(batches.execute, demo.scheduled)
    await life.onStop(async () => stopSchedules())
    // Only on the embedded database. On any other database a run that is published here would be missing from
    // the metrics of the database's environment.
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
  report.done(`postgres ${server.version}`, `embedded, ${folder}/`, ms)
  return server.url
}

async function fillWithDemo(url: string) {
  const [{ flights, airports, zipcodes, loaded }, ms] = await timed(() => loadDemo(url))
  const rows = [count(flights, 'flight'), count(airports, 'airport'), count(zipcodes, 'zip code')].join(', ')
  report.done('demo data', loaded ? rows : `${rows} (kept)`, ms)
}

async function migrateDemo(database: Database) {
  const [{ views, scheduled, applied }, ms] = await timed(() => makeDemoViews(database))
  report.done(
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
