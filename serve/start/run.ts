import { setTimeout as pause } from 'node:timers/promises'
import { getBatch, listOpenBatches } from '../../src/batch/read-batches.ts'
import { startBatch } from '../../src/batch/start.ts'
import type { KeeperConfig } from '../../src/config/fields.ts'
import { defaults } from '../../src/config/options.ts'
import { optionsOf, saidToDatabase } from '../../src/config/variables.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { keeperOf, type RunningKeeper } from '../../src/keeper/keeper.ts'
import { localEnvironment, termsOf } from '../../src/keeper/terms.ts'
import { type RunRow, withWords } from '../../src/record/runs/runs.ts'
import { getRun } from '../../src/run/read-runs.ts'
import { connectTo } from '../../src/server/connect.ts'
import type { Database } from '../../src/server/database.ts'
import { count, dim, person, report, timed } from '../../src/terminal/report.ts'
import { describeAlarm, silentMonitor } from '../../src/watch/plan/alarms.ts'
import { type ListedView, listViews } from '../../src/watch/read-views.ts'
import { type CommandTarget, command } from '../../src/words/commands.ts'
import { displayName } from '../../src/words/names.ts'
import { Problem } from '../../src/words/problem.ts'
import { startEvents } from '../http/events.ts'
import { startGateway } from '../http/gateway.ts'
import {
  announceGateway,
  endOn,
  findGateway,
  isPortFree,
  type Life,
  LocalProblem,
  readOptions,
  terminalLogger,
  untilSignal,
  usualPort,
} from '../process.ts'
import {
  applySchemaSteps,
  describeDatabase,
  type LocalProject,
  type MadeViews,
  makeViews,
} from './database.ts'

/**
 * Tells, in lines, what alarm silent-monitor mails: if two looks in turn are missing, and when one succeeds again. The answer
 * takes each look, and whether it succeeded.
 */
export function watchSilence(tell: (lines: string[]) => void): (succeeded: boolean) => void {
  let missed = 0
  return (succeeded) => {
    if (succeeded && missed > 1) tell(mailOf('OK'))
    missed = succeeded ? 0 : missed + 1
    if (missed === 2) tell(mailOf('ALARM'))
  }
}

/** The subject and the description of the mail, as CloudWatch writes it. */
function mailOf(state: 'ALARM' | 'OK'): string[] {
  const { happened, first } = silentMonitor('local')
  return [
    `deployed, CloudWatch would mail now: ${state}: "viewkeeper-local-silent-monitor"`,
    ...(state === 'OK' ? [] : [`  ${describeAlarm(happened, first, 'silent-monitor')}`]),
  ]
}

interface StartHints extends Pick<LocalProject, 'example' | 'addressCommand'> {
  isEmbedded: boolean
  /** What commands have to name. */
  typed: CommandTarget
}

/** Prints the addresses, and commands to copy that name an existing view. */
function printHints(
  api: string,
  views: Pick<ListedView, 'schema' | 'name'>[],
  { example, addressCommand, isEmbedded, typed }: StartHints,
): void {
  const view = views.find(({ name }) => name === example) ?? views[0]
  const type = (...words: string[]) => `npx ${command(words, typed)}`
  report.line()
  report.line(`page  ${api}/`)
  report.line(`api   ${api}`)
  if (isEmbedded) report.line(`sql   ${addressCommand}   ${dim('# its address, for psql and DATABASE_URL')}`)
  report.line()
  if (!view) {
    report.line('There is no materialized view yet. After you have made one, list it with:')
    report.line()
    report.line(`try   ${type('ls')}`)
  } else {
    const name = displayName({ ...view, schema: view.schema === 'public' ? null : view.schema })
    report.line(`try   ${type('refresh', name)}`)
    report.line(`      ${type('why', name)}`)
    report.line(`      ${type('ls')}`)
    report.line(`      ${type('refresh', '--all')}   ${dim('# every view, in dependency order')}`)
  }
  report.line()
  report.line(dim('Ctrl-C stops everything'))
}

/**
 * Serves the views of a project on this machine until Ctrl-C: PostgreSQL, the API, the page, schedules and the monitor. On
 * the database of DATABASE_URL nothing but schema `viewkeeper` is made, and only requests refresh views, unless the project
 * keeps it fresh. Ends the process: with 1 and one line if the start or something that was started fails.
 */
export async function runProject(project: LocalProject): Promise<void> {
  try {
    await untilSignal((life) => start(life, project))
  } catch (error) {
    if (!(error instanceof LocalProblem || error instanceof Problem)) endOn(error)
    console.error(`viewkeeper: ${error.message}`)
    process.exit(1)
  }
}

async function start(life: Life, project: LocalProject) {
  const { port: wanted, folder, databaseUrl } = readOptions(process.env)
  const running = findGateway(folder)
  // A killed process leaves its file, and another process may have its number by now.
  if (
    running !== undefined &&
    databaseUrl === undefined &&
    !(await isPortFree(Number(new URL(running.url).port)))
  )
    throw new LocalProblem(
      `${project.command} runs on this folder already, at ${running.url} (process ${running.pid}): use it, or end it with Ctrl-C there`,
    )
  const port = await freePort(wanted)
  report.title('viewkeeper · local')

  const url = databaseUrl ?? (await startEmbedded(project, folder, life))
  const said = optionsOf(process.env)
  const database = connectTo(fromUrl(url), saidToDatabase(said))
  if (databaseUrl) await describeDatabase(database, url, project.command)
  else await project.loadTables?.(url)
  await applySchemaSteps(database)
  const made = databaseUrl ? null : await migrateViews(database, project)
  await project.compare?.(database)

  const { logger, mute } = terminalLogger(process.env)
  const isKept = databaseUrl === undefined || project.keepsFresh
  const options = { ...said, schedules: isKept ? defaults.schedules : (false as const) }
  const keeper = keeperOf(database, { logger })
  const isEmbedded = databaseUrl === undefined
  // Commands of the folder find the gateway by themselves, unless they are to work on another environment.
  const isFound = isEmbedded && !process.env.DATA_DIR
  const typed: CommandTarget =
    isFound || (port === usualPort && !project.asksElsewhere)
      ? (project.target?.() ?? null)
      : { environment: null, url: `http://127.0.0.1:${port}` }
  const events = isEmbedded ? startEvents(database) : undefined
  const served = { ...termsOf(options), database, typed, security: 'none' as const, logger }
  const { advance } = keeper.advancer
  const gateway = await startGateway({ port, served: { ...served, advance }, events })
  await life.onStop(gateway.close)
  if (events) await life.onStop(events.close)
  if (isEmbedded) await life.onStop(announceGateway(folder, gateway.url))
  await life.onStop(keeper.stop)
  // Stopping is in reverse order: the logs are hidden before the functions lose their database.
  await life.onStop(mute)
  if (made === null) {
    await attend(keeper, database, project)
    if (project.keepsFresh) keepFresh(keeper, options, typed, project.isMonitorStopped)
  } else {
    // Nobody else uses the embedded database.
    const open = await listOpenBatches(database)
    for (const { id } of open) keeper.advancer.advance(id)
    if (open.length > 0) {
      report.line()
      report.line(`${count(open.length, 'batch', 'batches')} of the last start will go on`)
    } else await refreshFirst(database, made.views, keeper.advancer.advance)
    keepFresh(keeper, options, typed, project.isMonitorStopped)
  }
  const { views } = await listViews(database)
  printHints(gateway.url, views, { ...project, isEmbedded, typed })
}

/** The port that was asked for, or else the usual one, or one of those above it. */
async function freePort(wanted: number | undefined): Promise<number> {
  for (let port = wanted ?? usualPort; port < (wanted ?? usualPort + portsTried) + 1; port++)
    if (await isPortFree(port)) return port
  throw new LocalProblem(
    wanted === undefined
      ? `ports ${usualPort} to ${usualPort + portsTried} are taken: name a free one, such as PORT=9000`
      : `port ${wanted} is taken by another program: set PORT to another one, or unset PORT for the first free one from ${usualPort} on`,
  )
}

const portsTried = 20

async function startEmbedded({ startServer }: LocalProject, folder: string, life: Life): Promise<string> {
  const [server, ms] = await timed(() => startServer({ folder }))
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
    return { views: [], applied: 0 }
  }
}

/** On a database that others use, too: advances only the batches that nobody else advances. */
async function attend(
  keeper: RunningKeeper,
  database: Database,
  { command, keepsFresh }: LocalProject,
): Promise<void> {
  report.line()
  report.line(
    keepsFresh
      ? 'schedules, target lags and the monitor run here, for as long as this process does'
      : `no view is refreshed and no schedule runs here: only your requests refresh views (${command === 'npm start' ? 'npm start --' : command} --keep-fresh runs them, too)`,
  )
  const open = await listOpenBatches(database)
  const taken = keeper.advancer.takeOver(open)
  if (taken.length > 0)
    report.line(`${count(taken.length, 'batch', 'batches')} left by other processes: advanced here now`)
  const watched = open.length - taken.length
  if (watched === 0) return
  report.line(
    `${count(watched, 'open batch', 'open batches')}: another process seems to advance ${watched === 1 ? 'it' : 'them'}; ` +
      'if not, this process takes over in some seconds',
  )
  const ids = new Set(open.map(({ id }) => id))
  const timer = setInterval(async () => {
    // While the database cannot be reached, the batches stay as they are.
    const still = await listOpenBatches(database).catch(() => null)
    const ours = still?.filter(({ id }) => ids.has(id)) ?? []
    if (still !== null && ours.length === 0) clearInterval(timer)
    for (const id of keeper.advancer.takeOver(ours))
      report.line(`batch ${id} goes on here: nobody else advances it any more`)
  }, watchEveryMs)
  timer.unref()
}

const watchEveryMs = 1000

/**
 * Starts schedules and the monitor, as in a deployed environment. On a database that is not embedded only if somebody asks
 * for it: a run that is published here would be missing from the metrics of the database's environment.
 */
function keepFresh(
  keeper: RunningKeeper,
  config: KeeperConfig,
  typed: CommandTarget,
  isMonitorStopped = false,
): void {
  const heard = watchSilence(([first = '', ...more]) => {
    report.warning(first)
    for (const line of more) report.line(line)
  })
  keeper.start({
    config: isMonitorStopped ? { ...config, monitorEveryMinutes: false } : config,
    // With a bus, what ends becomes an event: here its listeners are the bus.
    environment: localEnvironment,
    typed,
    onLook: (look) => heard(!(look instanceof Error)),
  })
  if (!isMonitorStopped) return
  heard(false)
  setInterval(heard, 60_000, false).unref()
}

const pauseMs = 50

/**
 * Refreshes the views of these names (with schema) that have no data yet, in one batch, and prints each result as it comes. If a
 * view fails, the others are refreshed all the same.
 */
async function refreshFirst(
  database: Database,
  names: string[],
  advance: (batchId: string) => unknown,
): Promise<void> {
  const { views } = await listViews(database)
  const empty = views.filter((view) => names.includes(displayName(view)) && !view.populated)
  if (views.length === 0) return
  report.line()
  if (empty.length === 0) {
    report.line(
      `${count(views.length, 'view')}, not refreshed now: each waits for its schedule or for your request`,
    )
    return
  }
  report.line(
    `filling ${count(empty.length, 'view')} in dependency order: regular, because nobody can read a view without data yet`,
  )
  const by = { trigger: 'http', requestedBy: person(), caller: person(), idempotencyKey: null } as const
  // Without retries: nobody at a terminal waits five minutes for the second try of a view that failed.
  const request = { views: empty.map(({ view }) => view), retries: 0 }
  const { batchId } = await startBatch(request, { ...by, database })
  advance(batchId)
  const byName = new Map(empty.map((view) => [view.view, view]))
  const width = Math.max(...empty.map((view) => shown(view).length))
  let fresh = 0
  for await (const { view, runId } of endsOf(database, batchId)) {
    if (await describe(byName.get(view)!, runId, await getRun(database, runId), width)) fresh++
  }
  report.line(`${fresh} of ${empty.length} fresh`)
}

/**
 * The latest run of each view of a batch, in the order in which they end. A failed view may be tried again,
 * so it ends only with its batch.
 */
async function* endsOf(database: Database, batchId: string): AsyncGenerator<{ view: string; runId: number }> {
  const shown = new Set<string>()
  for (;;) {
    const batch = await getBatch(database, batchId)
    const ended = batch.views
      .flatMap(({ view, status, runs }) => ({ view, status, last: runs.at(-1) }))
      .filter(
        ({ view, status, last }) =>
          last?.finishedAt && !shown.has(view) && (status === 'success' || batch.finishedAt),
      )
      .sort((a, b) => a.last!.finishedAt!.getTime() - b.last!.finishedAt!.getTime())
    for (const { view, last } of ended) {
      shown.add(view)
      yield { view, runId: last!.runId }
    }
    if (batch.finishedAt) return
    await pause(pauseMs)
  }
}

/** The name of a view without schema `public`. */
const shown = ({ schema, name, view }: ListedView): string => (schema === 'public' ? name : view)

/** Prints how a refresh ended; true if it succeeded. */
async function describe(view: ListedView, runId: number, run: RunRow, width: number): Promise<boolean> {
  const name = shown(view).padEnd(width)
  if (run.status !== 'success') {
    const { because } = await withWords(run.meta.response)
    report.failure(`${name}  ${run.error?.message ?? because ?? run.status}  ${dim(`run ${runId}`)}`)
    return false
  }
  const time = `${((run.durationMs ?? 0) / 1000).toFixed(2)} s`
  const rows = run.rowCountAfter === null ? '' : count(run.rowCountAfter, 'row')
  const after = view.dependsOn.map((other) => other.replace(/^public\./, '')).join(', ')
  const result = `${name}  ${(run.meta.response.strategy ?? '').padEnd('concurrent'.length)}  ${time}  ${rows.padStart(11)}`
  report.success(after ? `${result}   ${dim(`after ${after}`)}` : result)
  return true
}
