import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import * as z from 'zod'
import { type DetailedBatch, getBatch } from '../batch/read.ts'
import { type BatchRequest, startBatch } from '../batch/start.ts'
import { inWords, problemsOf } from '../config/problems.ts'
import { type KeeperConfig, serveOptions } from '../config/serve-options.ts'
import { saidToDatabase } from '../config/variables.ts'
import { Problem } from '../problem.ts'
import { type RefreshRequest, refresh } from '../run/refresh.ts'
import type { Result } from '../run/result.ts'
import { connectTo, type Database } from '../server/connect.ts'
import type { Logger } from '../watch/log.ts'
import type { Monitored, Publisher } from '../watch/monitor.ts'
import { type ListedView, listViews } from '../watch/read.ts'
import { getWhy, type Why } from '../watch/why.ts'
import { type Advancer, makeAdvancer } from './advancer.ts'
import { fromUrl } from './database-url.ts'
import { keepFresh } from './keep-fresh.ts'
import { leadInTurn, type Standing } from './lead.ts'
import { termsOf } from './terms.ts'

/** What a keeper works with. */
export interface KeeperOptions {
  /** `postgres://user:password@host:5432/database`, or a function that gives it at each connection: passwords change. */
  databaseUrl: string | (() => string | Promise<string>)
  /** Where log lines go, such as the logger of your program. Default: nowhere. */
  logger?: Logger
  /** The options that an environment on AWS has, too. Refused (InvalidRequest) if they are not valid. */
  config?: KeeperConfig
  /** Who asks, as the record names it. Default: `engine`. */
  requestedBy?: string
  /** Whether the login may be a superuser. Default: it is refused (SuperuserRefused). */
  allowSuperuser?: boolean
}

/** How a request is made. */
export interface RequestOptions {
  /** Ends the wait for the answer. The run goes on in the server, and is recorded by it. */
  signal?: AbortSignal
  /** The same key for the same request is the same run or batch. */
  idempotencyKey?: string
}

/** Refreshes the views of one database, and keeps them fresh. What it refuses or what fails is a `Problem` with a `code`. */
export interface Keeper {
  /** Refreshes a view, and waits for the end. Throws the `Problem` of a refresh that failed. */
  refresh(view: string, options?: Omit<RefreshRequest, 'view'> & RequestOptions): Promise<Result>
  /** Refreshes every view in dependency order, and waits for the end. A view that fails is in the answer. */
  refreshAll(
    options?: Pick<BatchRequest, 'strategy' | 'concurrency' | 'retries' | 'exchange'> & RequestOptions,
  ): Promise<DetailedBatch>
  /** Every view, with its age, its state and its next refresh. */
  views(): Promise<ListedView[]>
  /** Why a view is as old as it is. */
  why(view: string): Promise<Why>
  /**
   * Runs schedules, target lags and the monitor until `stop`. Of all programs that have started this on the database, one leads
   * and does the work; if it ends or hangs, another one leads within 15 s.
   */
  start(options?: { config?: KeeperConfig }): void
  /** Ends what `start` began, and every wait. Runs go on in the server. */
  stop(): Promise<void>
}

/** A keeper with what a process besides needs that serves it. */
export interface ServedKeeper extends Keeper {
  advancer: Advancer
  start(options?: StartOptions): void
}

/** How a process keeps views fresh. */
export interface StartOptions {
  /** Default: what `createKeeper` was told. */
  config?: KeeperConfig
  /** The name that events have for the environment; null: nothing becomes an event. Default: null. */
  environment?: string | null
  /** Whether anybody is told what the monitor finds. Default: null, nobody knows. */
  told?: boolean | null
  /** Is told what each look of the monitor publishes, beside the log. */
  publish?: Publisher
  /** Hears of each look of the monitor, and of each that failed. */
  onLook?(look: Monitored | Error): void
  /** Hears whether this program leads. */
  onStanding?(standing: Standing): void
  /** Works beside the schedules while this program leads. */
  whileLeading?(leading: { signal: AbortSignal }): Promise<void>
}

const longestWaitMs = 24 * 3_600_000
const lookAgainMs = 250

/** A keeper for the database. Nothing is connected before the first call. Refuses (InvalidRequest) a `config` that is not valid. */
export async function createKeeper({
  databaseUrl,
  config = {},
  allowSuperuser = false,
  ...options
}: KeeperOptions): Promise<Keeper> {
  const source =
    typeof databaseUrl === 'string'
      ? fromUrl(databaseUrl)
      : async () => fromUrl(await databaseUrl())({ fresh: true })
  const superuser = allowSuperuser ? 'allowed' : 'refused'
  const keeper = keeperOf(connectTo(source, { superuser, ...saidToDatabase(valid(config)) }), {
    config,
    ...options,
  })
  return { ...keeper, start: (told) => keeper.start({ config: valid(told?.config ?? config) }) }
}

/** The same options. Refuses (InvalidRequest) values that are not valid, all mistakes together, each by its field. */
function valid(config: KeeperConfig): KeeperConfig {
  const { error } = z.strictObject({ config: serveOptions }).safeParse({ config }, inWords)
  if (error) throw new Problem('InvalidRequest', problemsOf(error).join('\n'), { field: 'config' })
  return config
}

/** The keeper of a database, with what advances its batches. */
export function keeperOf(
  database: Database,
  {
    logger = silent,
    config = {},
    requestedBy = 'engine',
    onEnd,
  }: Omit<KeeperOptions, 'databaseUrl' | 'allowSuperuser'> & { onEnd?: () => void },
): ServedKeeper {
  const stopping = new AbortController()
  const advancer = makeAdvancer(database, { logger, signal: stopping.signal, onEnd })
  let terms = termsOf(config)
  let leading: Promise<void> | undefined
  const call = (key: string | undefined) => ({
    database,
    trigger: 'http' as const,
    requestedBy,
    caller: requestedBy,
    idempotencyKey: key ?? null,
  })
  const waiting = <T>(work: Promise<T>, signal?: AbortSignal): Promise<T> =>
    unlessAborted(work, AbortSignal.any([stopping.signal, ...(signal ? [signal] : [])]))
  return {
    advancer,
    async refresh(view, { signal, idempotencyKey, ...request } = {}) {
      const waitUntil = Date.now() + longestWaitMs
      const result = await waiting(
        refresh({ view, ...request }, { ...call(idempotencyKey), waitUntil }),
        signal,
      )
      if (result.error === undefined) return result
      throw new Problem(result.error.class, result.error.message, { runId: result.runId })
    },
    async refreshAll({ signal, idempotencyKey, ...request } = {}) {
      const { batchId } = await startBatch(
        { all: true, ...request },
        call(idempotencyKey),
        terms.batchDefaults,
      )
      advancer.advance(batchId)
      const ended = async () => {
        for (;;) {
          const batch = await getBatch(database, batchId)
          if (batch.finishedAt !== null) return batch
          await pause(lookAgainMs, undefined, { signal: stopping.signal })
        }
      }
      return waiting(ended(), signal)
    },
    views: async () => (await listViews(database, terms.schedules)).views,
    why: (view) =>
      getWhy(database, view, { schedules: terms.schedules, environment: config.environment ?? null }),
    start({ config: said, environment = null, told = null, publish, onLook, onStanding, whileLeading } = {}) {
      const obeyed = said ?? config
      terms = termsOf(obeyed)
      const programs = environment === null ? null : { environment }
      const keeping = { database, terms, logger, advancer, programs, told, publish, onLook }
      leading ??= leadInTurn(database, {
        obeys: createHash('sha256').update(JSON.stringify(obeyed)).digest('hex'),
        signal: stopping.signal,
        onStanding(standing, why) {
          const log = standing === 'cut off' || standing === 'follows others' ? logger.warn : logger.info
          log.call(logger, words[standing], why instanceof Error ? { problem: why.message } : {})
          onStanding?.(standing)
        },
        work: async (leader) => {
          await Promise.all([keepFresh(keeping, leader), whileLeading?.(leader)])
        },
      })
    },
    async stop() {
      stopping.abort(new Problem('Canceled', 'The keeper was stopped. Runs go on in the server.'))
      await leading
    },
  }
}

const words: Record<Standing, string> = {
  leads: 'leads: schedules, target lags and the monitor run here',
  follows: 'follows: another process leads',
  'follows others':
    'follows: the process that leads has other options, and the database obeys only those. After a rolling update this ends; ' +
    'if it is another project, give each project a database of its own',
  'cut off': 'cannot reach the database, and tries again',
}

const silent: Logger = { info() {}, warn() {}, error() {} }

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort))
}
