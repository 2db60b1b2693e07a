import { once } from 'node:events'
import * as z from 'zod'
import { safeError } from '../../src/api/http.ts'
import { inWords, type Notify, problemsOf, serveOptions } from '../../src/config/fields.ts'
import type { ServeOptions } from '../../src/config/options.ts'
import { saidToDatabase } from '../../src/config/variables.ts'
import { patiently } from '../../src/keeper/advancer.ts'
import { fromEnvironment, isLoopback, readSecret } from '../../src/keeper/database-url.ts'
import { keeperOf, type StartOptions } from '../../src/keeper/keeper.ts'
import type { CopyStanding } from '../../src/keeper/lead.ts'
import { type Logger, localEnvironment, termsOf } from '../../src/keeper/terms.ts'
import { readFrozenMigrations } from '../../src/migrate/frozen-migrations.ts'
import { bringUp, isAhead } from '../../src/migrate/migrate.ts'
import { migrate, readSchemaSteps } from '../../src/own-schema/apply.ts'
import { schemaFolder } from '../../src/package-files.ts'
import { beginMonitoring } from '../../src/record/watch/looks.ts'
import { type ConnectionSource, connectTo } from '../../src/server/connect.ts'
import type { Database } from '../../src/server/database.ts'
import { mayConnectLater } from '../../src/server/failures.ts'
import type { CommandTarget } from '../../src/words/commands.ts'
import { mayRetry, Problem, type ProblemCode } from '../../src/words/problem.ts'
import { type ProcessState, startGateway } from '../http/gateway.ts'
import { atMostOften, makeMetrics, whyLeaderless, whyNotReady } from '../metrics/metrics.ts'
import { channelsOf, filtersOf } from '../news/channels.ts'
import { type Follower, startNews } from '../news/news.ts'
import {
  type Life,
  LocalProblem,
  levelIn,
  makeLogger,
  type ProcessLogger,
  portOf,
  untilSignal,
  usualPort,
} from '../process.ts'
import { type Doorkeeper, makeDoorkeeper } from '../tokens.ts'

/** How a project is served. */
interface Serving {
  /** The frozen migrations of the views. */
  migrations: URL
  options: ServeOptions
  /** The address to listen on. */
  host: string
  /** Whether programs of this machine need tokens, too. */
  requireTokens: boolean
  /** Whether the login may be a superuser. */
  allowSuperuser: boolean
  notify: Notify
}

/**
 * Serves a project on the database of DATABASE_URL or DATABASE_URL_FILE until SIGTERM: brings schema viewkeeper and the views up
 * to date, answers requests, and keeps the views fresh in turn with the other copies. Log lines are JSON on the standard output.
 * Ends the process: with 1 and one line if it cannot start.
 */
export async function serve(serving: Serving): Promise<never> {
  const logger = makeLogger(levelIn(process.env) ?? serving.options.logLevel ?? 'INFO')
  try {
    return await untilSignal((life) => start(life, serving, logger), logger)
  } catch (error) {
    if (error instanceof LocalProblem || error instanceof Problem) throw error
    logger.error('ended by a defect', safeError(error))
    process.exit(1)
  }
}

async function start(
  life: Life,
  { migrations, options, notify, host, requireTokens, allowSuperuser }: Serving,
  logger: ProcessLogger,
): Promise<void> {
  const source = sourceOf(process.env)
  const { environment = null } = options
  const database = connectTo(source, {
    superuser: allowSuperuser ? 'allowed' : 'refused',
    ...saidToDatabase(options),
  })
  const port = servedPort(process.env)
  const typed = reachedBy(options.pageUrl, host, port)
  const { doorkeeper, watched, start } = await extrasOf({ options, notify, typed }, database, logger)
  await onceThere(logger, () => bringUpToDate(database, migrations, logger))
  const keeper = keeperOf(database, { logger, config: options })
  const gateway = await startGateway({
    host,
    port,
    served: {
      ...termsOf(options),
      database,
      typed,
      security: 'token',
      logger,
      advance: keeper.advancer.advance,
    },
    environment,
    watched,
    doorkeeper,
    trustsMachine: isLoopback(host) && !requireTokens,
    drainMs: 30_000,
    lingerMs: 5000,
  })
  await life.onStop(gateway.close)
  keeper.start(start)
  // Stopped first: another copy leads while this one still answers.
  await life.onStop(keeper.stop)
  logger.info('serves', { url: gateway.url })
}

/** What commands name to reach this process: where people see the page; on this machine, any port but the usual one. */
function reachedBy(pageUrl: string | undefined, host: string, port: number): CommandTarget {
  if (pageUrl !== undefined) return { environment: null, url: pageUrl.replace(/\/+$/, '') }
  if (port === usualPort && isOfMachine.test(host)) return null
  const at = isOfMachine.test(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return { environment: null, url: `http://${at}:${port}` }
}

/** The addresses at which 127.0.0.1 is listened to, too. */
const isOfMachine = /^(127\.0\.0\.1|localhost|0\.0\.0\.0|::)$/

/** The port that `serve` listens on. */
export const servedPort = (env: NodeJS.ProcessEnv): number => portOf(env) ?? usualPort

/** The server to work on. */
function sourceOf(env: NodeJS.ProcessEnv): ConnectionSource {
  const source = fromEnvironment(env)
  if (source !== undefined) return source
  throw new LocalProblem(
    'serve needs a database: set DATABASE_URL, or DATABASE_URL_FILE to a file with it. Without one, npx viewkeeper dev runs a PostgreSQL',
  )
}

const longestMs = 13 * 60_000

/** Does what `migrate up` does. What a newer copy has added stays, and this one serves it. */
async function bringUpToDate(database: Database, folder: URL, logger: Logger): Promise<void> {
  const schema = await migrate(database, schemaFolder)
  if (schema.applied.length > 0) logger.info('schema steps are applied', { applied: schema.applied })
  if (schema.ahead.length > 0)
    logger.warn('a newer version of Viewkeeper has updated this database', { ahead: schema.ahead })
  await database.withConnection(beginMonitoring)
  const { applied, ahead, missing } = await bringUp(
    {
      database,
      trigger: 'deploy',
      requestedBy: 'viewkeeper serve',
      waitUntil: Date.now() + longestMs,
      withData: true,
      onDone: (done) => logger.info('migrated a view', { ...done }),
    },
    await readFrozenMigrations(folder),
  )
  if (applied.length > 0) logger.info('migrations are applied', { count: applied.length })
  if (ahead.length > 0) logger.warn(isAhead(ahead).message, { ahead })
  if (missing.length > 0) logger.warn('views are missing', { missing })
}

/** Waiting does not mend these, nor a server that cannot be connected to as it is. */
const final: ProblemCode[] = ['CredentialsRefused', 'SuperuserRefused', 'NotDirect', 'DatabaseReadOnly']

const isFinal = (error: unknown): boolean =>
  !(error instanceof Problem) ||
  !mayRetry(error.code) ||
  final.includes(error.code) ||
  (error.code === 'DatabaseUnavailable' && !mayConnectLater(error))

/** Tries again while the database is away; each reason is one line. */
function onceThere(logger: Logger, work: () => Promise<void>): Promise<void> {
  let told = ''
  return patiently(work, {
    isFinal,
    onFailure(error) {
      const { code, message: problem } = error as Problem
      if (problem !== told) logger.warn('waits for the database', { code, problem })
      told = problem
    },
    forMs: Number.POSITIVE_INFINITY,
    ref: true,
  })
}

/**
 * What the leader does beside the schedules, news and a heartbeat, and who is let in. Refuses (InvalidRequest) secrets of
 * channels that are missing or not valid, before anything is connected.
 */
async function extrasOf(
  { options, notify, typed }: Pick<Serving, 'options' | 'notify'> & { typed: CommandTarget },
  database: Database,
  logger: Logger,
): Promise<{ doorkeeper: Doorkeeper; watched: ProcessState; start: StartOptions }> {
  const channels = await channelsOf(notify, options.alarmEmails ?? [])
  const { length: steps } = await readSchemaSteps(schemaFolder)
  const heartbeatUrl = readSecret('VIEWKEEPER_HEARTBEAT_URL', process.env)
  let news: Follower | undefined
  let standing: CopyStanding = 'follows'
  let leaderlessSince = Number.POSITIVE_INFINITY
  const names = channels.map(({ name }) => name)
  const { environment = localEnvironment } = options
  const sleeps = () => standing === 'sleeps'
  const metrics = makeMetrics(database, { environment, channels: names }, () => standing === 'leads', sleeps)
  return {
    watched: {
      metrics: metrics.exposition,
      whyNotReady: atMostOften(
        // A probe wakes no database that sleeps.
        async () =>
          sleeps()
            ? null
            : ((await whyNotReady(database, steps)) ?? whyLeaderless(performance.now() - leaderlessSince)),
      ),
    },
    doorkeeper: makeDoorkeeper(database),
    start: {
      environment,
      typed,
      told: channels.length > 0,
      // What nobody takes stays untold: a channel that is added later is told of it.
      links: channels.some(({ takes }) => takes === 'notices')
        ? { pageUrl: options.pageUrl, runbookUrl: options.runbookUrl }
        : undefined,
      filters: filtersOf(notify),
      publish: metrics.publisher,
      onLook(look) {
        if (look instanceof Error) return
        news?.ring()
        void beat(heartbeatUrl, logger)
      },
      onStanding(now) {
        standing = now
        leaderlessSince = now === 'cut off' ? performance.now() : Number.POSITIVE_INFINITY
      },
      async whileLeading({ signal }) {
        news = startNews({ database, environment, typed, channels, logger })
        if (!signal.aborted) await once(signal, 'abort')
        await news.close()
      },
    },
  }
}

const longestBeatMs = 10_000

/**
 * Asks an address after a look of the monitor, for a service that tells somebody when it is asked no more. The address is a
 * secret: whoever knows it can keep the service quiet.
 */
async function beat(url: string | undefined, logger: Logger): Promise<void> {
  if (url === undefined) return
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(longestBeatMs) })
    await response.body?.cancel()
    if (!response.ok) logger.warn('the heartbeat was refused', { status: response.status })
  } catch (error) {
    logger.warn('the heartbeat did not arrive', { why: (error as Error).name })
  }
}

const serving = z.strictObject({ serve: serveOptions })

/** The options of a project, with the defaults of `notify`. Refuses (InvalidRequest) those that are not valid, all together. */
export function checkOptions(options: object, file: string): { options: ServeOptions; notify: Notify } {
  const result = serving.safeParse({ serve: options }, inWords)
  if (result.success) return { options, notify: result.data.serve.notify }
  const mistakes = problemsOf(result.error)
  throw new Problem('InvalidRequest', [`${file} is not valid:`, ...mistakes].join('\n  '), { field: 'serve' })
}
