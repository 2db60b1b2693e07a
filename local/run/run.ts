import { defaults } from '../../src/config/options.ts'
import { variablesOf } from '../../src/config/variables.ts'
import { connectTo, type Database } from '../../src/db/server/connect.ts'
import { fromUrl } from '../../src/edge/lambda/database-url.ts'
import type { ScheduledView } from '../../src/plan/views/scheduled.ts'
import { Problem } from '../../src/problem.ts'
import { count, report, timed } from '../../src/terminal/report.ts'
import { startEmbeddedPostgres } from '../embedded/embedded.ts'
import { isPortFree } from '../embedded/port.ts'
import { type LocalBatches, localBatches, localFunctions } from '../gateway/batches.ts'
import { startGateway } from '../gateway/gateway.ts'
import { loadFunction } from '../gateway/invoke.ts'
import { startMonitor } from '../gateway/monitor.ts'
import { startSchedules } from '../gateway/schedules.ts'
import { type Life, untilSignal } from '../process/lifetime.ts'
import { showLogs } from '../process/logs.ts'
import { readOptions } from '../process/options.ts'
import { LocalProblem } from '../process/problem.ts'
import { applySchemaSteps, describeDatabase } from './database.ts'
import { refreshFirst } from './first-refresh.ts'
import { printHints } from './hints.ts'
import type { LocalProject } from './project.ts'
import { type MadeViews, makeViews } from './views.ts'

/**
 * Serves the views of a project on this machine until Ctrl-C: PostgreSQL, the API, the page, schedules and the monitor. On
 * the database of DATABASE_URL only requests refresh views, and nothing but schema `viewkeeper` is made. Ends the process:
 * with 1 and one line if the start or something that was started fails.
 */
export async function runProject(project: LocalProject): Promise<void> {
  try {
    await untilSignal((life) => start(life, project))
  } catch (error) {
    const isExpected = error instanceof LocalProblem || error instanceof Problem
    console.error(isExpected ? `viewkeeper: ${error.message}` : error)
    process.exit(1)
  }
}

async function start(life: Life, project: LocalProject) {
  const { port, folder, databaseUrl } = readOptions(process.env)
  if (!(await isPortFree(port))) throw new LocalProblem(`port ${port} is taken: set PORT to another one`)
  report.title('viewkeeper · local')

  const url = databaseUrl ?? (await startEmbedded(folder, life))
  process.env.DATABASE_URL = url // the functions read it at each call
  const database = connectTo(fromUrl(url))
  if (databaseUrl) await describeDatabase(database, url, project.command)
  else await project.loadTables?.(url)
  await applySchemaSteps(database)
  const made = databaseUrl ? null : await migrateViews(database, project)
  await project.compare?.(database)

  const mute = showLogs(process.env)
  const batches = localBatches(database)
  const gateway = await startGateway({ port, functions: localFunctions(batches) })
  await life.onStop(gateway.close)
  // Stopping is in reverse order: the logs are hidden before the functions lose their database.
  await life.onStop(mute)
  if (made === null) await attend(batches)
  else {
    const open = await batches.resume()
    if (open > 0) {
      report.line()
      report.line(`${count(open, 'batch', 'batches')} of the last start will go on`)
    } else await refreshFirst(gateway.url, made.views)
    await keepFresh(life, batches, made.scheduled)
  }
  await printHints(gateway.url, { ...project, isEmbedded: made !== null })
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

/** Makes the views. If that fails, the failure is told, and the rest goes on: the database may lack tables by now. */
async function migrateViews(database: Database, project: LocalProject): Promise<MadeViews> {
  try {
    const [made, ms] = await timed(() => makeViews(database, project))
    const views = count(made.views.length, 'view')
    if (made.views.length + made.applied > 0)
      report.done(
        'views',
        made.applied > 0 ? `${views}, from their frozen migrations` : `${views} (kept)`,
        ms,
      )
    return made
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    report.failure(error.message)
    return { views: [], scheduled: [], applied: 0 }
  }
}

/** On a database that others use, too: advances only the batches that nobody else advances. */
async function attend(batches: LocalBatches): Promise<void> {
  report.line()
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
}

/**
 * Starts schedules and the monitor, as in a deployed environment. Only on the embedded database: on any other database a run
 * that is published here would be missing from the metrics of the database's environment.
 */
async function keepFresh(life: Life, batches: LocalBatches, scheduled: ScheduledView[]): Promise<void> {
  // From the schedules the monitor knows how old the data may be, and the reads when a view is refreshed next.
  Object.assign(process.env, variablesOf(defaults, ['schedules']))
  const stopSchedules = startSchedules(batches.execute, scheduled)
  await life.onStop(async () => stopSchedules())
  await life.onStop(startMonitor(await loadFunction('monitor')))
}
