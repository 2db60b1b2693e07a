import type { Notify } from '../../src/config/fields.ts'
import type { ServeOptions } from '../../src/config/options.ts'
import { saidToDatabase } from '../../src/config/variables.ts'
import { fromEnvironment, isLoopback } from '../../src/keeper/database-url.ts'
import { keeperOf } from '../../src/keeper/keeper.ts'
import { patiently } from '../../src/keeper/patiently.ts'
import type { Logger } from '../../src/keeper/terms.ts'
import { termsOf } from '../../src/keeper/terms.ts'
import { readFrozenMigrations } from '../../src/migrate/frozen-migrations.ts'
import { bringUp, isAhead } from '../../src/migrate/migrate.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { schemaFolder } from '../../src/package-files.ts'
import { mayRetry, Problem, type ProblemCode } from '../../src/problem.ts'
import { type ConnectionSource, connectTo, type Database } from '../../src/server/connect.ts'
import { beginMonitoring } from '../../src/watch/db/looks.ts'
import { startGateway } from '../http/gateway.ts'
import { type Life, untilSignal } from '../process/lifetime.ts'
import { levelIn, makeLogger } from '../process/logs.ts'
import { LocalProblem, portOf } from '../process/options.ts'
import { extrasOf } from './extras.ts'
import { usualPort } from './gateway-file.ts'

/** How a project is served. */
export interface Serving {
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
export const serve = (serving: Serving): Promise<never> => untilSignal((life) => start(life, serving))

async function start(
  life: Life,
  { migrations, options, notify, host, requireTokens, allowSuperuser }: Serving,
): Promise<void> {
  const source = sourceOf(process.env)
  const { environment = null } = options
  const logger = makeLogger(levelIn(process.env) ?? options.logLevel ?? 'INFO')
  const database = connectTo(source, {
    superuser: allowSuperuser ? 'allowed' : 'refused',
    ...saidToDatabase(options),
  })
  const { doorkeeper, watched, start } = await extrasOf({ options, notify }, database, logger)
  await onceThere(logger, () => bringUpToDate(database, migrations, logger))
  const keeper = keeperOf(database, { logger, config: options })
  const gateway = await startGateway({
    host,
    port: servedPort(process.env),
    served: {
      ...termsOf(options),
      database,
      environment,
      security: 'token',
      logger,
      advance: keeper.advancer.advance,
    },
    environment,
    typed: () => environment,
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

/** Waiting does not mend these. */
const final: ProblemCode[] = ['CredentialsRefused', 'SuperuserRefused', 'NotDirect', 'DatabaseReadOnly']

/** Tries again while the database is away; each reason is one line. */
function onceThere(logger: Logger, work: () => Promise<void>): Promise<void> {
  let told = ''
  return patiently(work, {
    isFinal: (error) => !(error instanceof Problem) || !mayRetry(error.code) || final.includes(error.code),
    onFailure(error) {
      const { code, message: problem } = error as Problem
      if (problem !== told) logger.warn('waits for the database', { code, problem })
      told = problem
    },
    forMs: Number.POSITIVE_INFINITY,
    ref: true,
  })
}
