import { setTimeout as pause } from 'node:timers/promises'
import { strictObject } from 'zod'
import * as z from 'zod/mini'
import { listOpenBatches } from '../batch/read-batches.ts'
import { inWords, type KeeperConfig, problemsOf, serveOptions } from '../config/fields.ts'
import { saidToDatabase } from '../config/variables.ts'
import { fewestConnections, inTurn, shareConnections } from '../keeper/advancer.ts'
import { fromUrl } from '../keeper/database-url.ts'
import { keeperOf, silent } from '../keeper/keeper.ts'
import type { Logger } from '../keeper/terms.ts'
import type { BatchDetails, BatchOptions, Methods } from '../methods.ts'
import { migrate } from '../own-schema/apply.ts'
import type { MigrateReport } from '../own-schema/db/apply-steps.ts'
import { schemaFolder } from '../package-files.ts'
import { beginMonitoring } from '../record/watch/looks.ts'
import { type ConnectionSource, connectTo } from '../server/connect.ts'
import type { Database } from '../server/database.ts'
import { problemOf } from '../server/failures.ts'
import { Problem } from '../words/problem.ts'
import { integer, text, validate } from './request-fields.ts'
import type { AnyRoute, CallOptions, Route, Served } from './route.ts'
import { type Answer, type RouteName, type Routes, routes } from './routes.ts'

// The engine: each route is a method in this process, validated by the same schemas, with the same answer.

/** What a keeper works with. */
export interface KeeperOptions {
  /** `postgres://user:password@host:5432/database`, or a function that gives it at each connection: passwords change. */
  databaseUrl: string | (() => string | Promise<string>)
  /** Where log lines go, such as the logger of your program. Default: nowhere. */
  logger?: Logger
  /** The options that an environment on AWS has, too. */
  config?: KeeperConfig
  /** Your program's name: the record has `program:` before it. Default: `engine`. */
  requestedBy?: string
  /** Whether the login may be a superuser. Default: it is refused (SuperuserRefused). */
  allowSuperuser?: boolean
  /** The most connections at once, at least 5; what needs more waits for its turn. Default: 10. */
  maxConnections?: number
}

/** Refreshes the views of one database, and keeps them fresh. What it refuses or what fails is a `Problem` with a `code`. */
export interface Keeper extends Methods {
  /** Brings schema viewkeeper of the database up to date. Every other method needs it. */
  migrate(): Promise<MigrateReport>
  /**
   * Refreshes every view in dependency order, and waits for the end. A view that fails is in the answer. What a process has left
   * behind is taken over.
   */
  refreshAll(
    request?: Pick<BatchOptions, 'strategy' | 'concurrency' | 'retries' | 'exchange'>,
    options?: CallOptions,
  ): Promise<BatchDetails>
  /**
   * Runs schedules, target lags and the monitor until `stop`. Of all programs that have started this on the database, one leads
   * and does the work; if it ends or hangs, another one leads within 15 s.
   */
  start(options?: { config?: KeeperConfig }): void
  /** Ends what `start` began, and every wait (Canceled). Runs go on in the server. */
  stop(): Promise<void>
}

/** What the routes say of the methods. `Methods` is made of the same: a difference does not compile. */
type MethodsOfRoutes = {
  [Name in RouteName]: (
    input?: EngineInput<NonNullable<Routes[Name]['takes']>>,
    options?: CallOptions,
  ) => Promise<Answer<Name>>
}
type EngineInput<Takes extends NonNullable<Route['takes']>> = EngineFields<NonNullable<Takes['path']>> &
  EngineFields<NonNullable<Takes['query']>> &
  EngineFields<NonNullable<Takes['body']>>
type EngineFields<Part> = [Part] extends [never]
  ? unknown
  : Part extends z.ZodMiniObject
    ? Partial<z.input<Part>>
    : never

/** Anything but `undefined` that is one of these; what it must be is said. */
const like = <Value>(isOne: (value: unknown) => boolean, error: string) => z.custom<Value>(isOne, error)

const keeperOptions = z.strictObject({
  databaseUrl: like<KeeperOptions['databaseUrl']>(
    (url) => typeof url === 'string' || typeof url === 'function',
    'must be a text such as postgres://user@host/database, or a function that gives it',
  ),
  logger: z.optional(
    like<Logger>(
      (logger) =>
        ['info', 'warn', 'error'].every(
          (name) => typeof (logger as Record<string, unknown> | null)?.[name] === 'function',
        ),
      'must have the functions info, warn and error',
    ),
  ),
  config: z.optional(like<KeeperConfig>(() => true, '')),
  requestedBy: z._default(text(200), 'engine'),
  allowSuperuser: z._default(z.boolean(), false),
  maxConnections: z._default(integer(fewestConnections, 1000), 10),
})

const mostWaitSeconds = 24 * 3600

const callOptions = z.strictObject({
  signal: z.optional(like<AbortSignal>((signal) => signal instanceof AbortSignal, 'must be an AbortSignal')),
  idempotencyKey: z.optional(text(255)),
  waitSeconds: z.optional(integer(0, mostWaitSeconds)),
})

/** A keeper for the database. Nothing is connected before the first call. Refuses (InvalidRequest) options that are not valid. */
export async function createKeeper(options: KeeperOptions): Promise<Keeper> {
  const { databaseUrl, logger, config, requestedBy, allowSuperuser, maxConnections } = validate(
    keeperOptions,
    options,
    'options',
  )
  const connections = shareConnections(maxConnections)
  const database = connectTo(sourceOf(databaseUrl), {
    superuser: allowSuperuser ? 'allowed' : 'refused',
    ...saidToDatabase(valid(config ?? {})),
  })
  const worded = (thrown: unknown) => inOurWords(thrown).message
  const kept = keeperOf(database, { logger, config, connections, worded })
  const { advancer, stopped } = kept
  const principal = `program:${requestedBy}`

  const untilOf = (signal: AbortSignal | undefined) =>
    signal === undefined ? stopped : AbortSignal.any([stopped, signal])

  /** Does this in its turn, unless the signal or `stop` comes first. */
  function begin<T>(
    { signal, isLong = false }: { signal?: AbortSignal | undefined; isLong?: boolean },
    work: (database: Database) => Promise<T>,
  ): Promise<T> {
    const until = untilOf(signal)
    const begun = inTurn(connections, isLong, { until, refused: () => canceled(until) }, () =>
      work(untilAborted(database, until)),
    )
    return unlessAborted(begun, until)
  }

  async function call(route: AnyRoute, given: object, said: unknown): Promise<unknown> {
    const { signal, idempotencyKey = null, ...wait } = validate(callOptions, said, 'options')
    const { waitSeconds = route.waits === 'for the cancel' ? 25 : mostWaitSeconds } = wait
    const waitUntil = Date.now() + waitSeconds * 1000
    const { schedules, batchDefaults } = kept.terms()
    const answer = await begin({ signal, isLong: route.waits === 'for the end' }, (database) => {
      const served: Served = {
        database,
        schedules,
        batchDefaults,
        typed: config?.environment ?? null,
        security: 'none',
        logger: logger ?? silent,
        advance: (id) => void advancer.advance(id),
      }
      const caller = {
        trigger: 'program',
        requestedBy: principal,
        caller: principal,
        idempotencyKey,
        waitUntil,
      }
      return route.answer(served, given, caller)
    })
    return JSON.parse(JSON.stringify(answer))
  }

  const methods: Methods = Object.fromEntries(
    Object.entries(routes as Record<string, AnyRoute>).map(([name, route]) => {
      const fields = fieldsOf(route)
      const begun = async (input: unknown = {}, options: unknown = {}) =>
        call(route, validate(fields, input, name), options)
      return [name, (input: unknown, options: unknown) => inProblems(begun(input, options))]
    }),
  ) as unknown as MethodsOfRoutes

  async function refreshAll(request: object, options: CallOptions): Promise<BatchDetails> {
    const { signal, waitSeconds = mostWaitSeconds } = validate(callOptions, options, 'options')
    const begun = { signal }
    const tookOver = advancer.takeOver(await begin(begun, listOpenBatches))
    const start = () => methods.startBatch({ ...request, all: true }, options)
    const ended = async (id: string) => {
      const over = new AbortController()
      // While only retries wait, nothing else keeps the process alive.
      const longest = pause(waitSeconds * 1000, undefined, { signal: over.signal })
      await unlessAborted(Promise.race([advancer.advance(id), longest]), untilOf(signal)).finally(() =>
        over.abort(),
      )
    }
    const { batchId } = await start().catch(async (problem) => {
      const { openBatchId } = (problem as Problem).details
      if (openBatchId === undefined || !tookOver.includes(openBatchId)) throw problem
      await ended(openBatchId)
      return start()
    })
    await ended(batchId)
    const batch = await methods.getBatch({ id: batchId }, begun)
    while (batch.next !== null) {
      const { views, next } = await methods.getBatch({ id: batchId, cursor: batch.next }, begun)
      batch.views.push(...views)
      batch.next = next
    }
    return batch
  }

  return {
    ...methods,
    refreshAll: (request = {}, options = {}) => inProblems(refreshAll(request, options)),
    migrate: () =>
      inProblems(
        begin({ isLong: true }, async (database) => {
          const done = await migrate(database, schemaFolder)
          await database.withConnection(beginMonitoring)
          return done
        }),
      ),
    start(told = {}) {
      if (stopped.aborted) throw canceled(stopped)
      kept.start({ config: valid(told.config ?? config ?? {}) })
    },
    stop: kept.stop,
  }
}

/** Everything that a route takes, as fields of one object. */
const fieldsOf = ({ takes = {} }: AnyRoute) =>
  z.strictObject(Object.assign({}, ...Object.values(takes).map((part) => part.shape)))

/** The same options. Refuses (InvalidRequest) values that are not valid, all mistakes together, each by its field. */
function valid(config: KeeperConfig): KeeperConfig {
  const { error } = strictObject({ config: serveOptions }).safeParse({ config }, inWords)
  if (error) throw new Problem('InvalidRequest', problemsOf(error).join('\n'), { field: 'config' })
  return config
}

function sourceOf(databaseUrl: KeeperOptions['databaseUrl']): ConnectionSource {
  if (typeof databaseUrl === 'string') return fromUrl(databaseUrl)
  return async () => {
    let url: string
    try {
      url = await databaseUrl()
    } catch (cause) {
      throw new Problem('DatabaseUnavailable', 'databaseUrl gave no address: it failed, as `cause` tells.', {
        cause,
      })
    }
    return fromUrl(url)({ fresh: true })
  }
}

/** The same database until the signal: then nothing is begun, and what is open is left. Runs go on in the server. */
const untilAborted = (database: Database, until: AbortSignal): Database => ({
  async open(startUp, onNotify) {
    if (until.aborted) throw canceled(until)
    const connection = await database.open(startUp, onNotify)
    if (!until.aborted) return connection
    await connection.leave()
    throw canceled(until)
  },
  async withConnection(work, options) {
    if (until.aborted) throw canceled(until)
    return database.withConnection(async (sql, leave) => {
      if (until.aborted) throw canceled(until)
      until.addEventListener('abort', leave, { once: true })
      try {
        return await work(sql, leave)
      } finally {
        until.removeEventListener('abort', leave)
      }
    }, options)
  },
})

function unlessAborted<T>(work: Promise<T>, until: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(canceled(until))
  until.addEventListener('abort', abort, { once: true })
  return Promise.race([work, promise]).finally(() => until.removeEventListener('abort', abort))
}

const canceled = ({ reason }: AbortSignal): Problem =>
  reason instanceof Problem
    ? reason
    : new Problem('Canceled', 'The signal was aborted. What had begun goes on in the server.', {
        cause: reason,
      })

const inProblems = <T>(work: Promise<T>): Promise<T> =>
  work.catch((thrown) => {
    throw inOurWords(thrown)
  })

/** The Problem that a program gets, whatever was thrown. */
function inOurWords(thrown: unknown): Problem {
  const problem = problemOf(thrown)
  if (!(problem instanceof Problem))
    return new Problem('InternalError', 'Something went wrong inside Viewkeeper, as `cause` tells.', {
      cause: thrown,
    })
  if (problem.code !== 'NotMigrated') return problem
  return new Problem(
    'NotMigrated',
    'Schema viewkeeper of the database is missing or old: call keeper.migrate() first.',
    { ...problem.details, cause: problem },
  )
}
