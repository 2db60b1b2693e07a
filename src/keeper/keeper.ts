import { createHash } from 'node:crypto'
import type { KeeperConfig } from '../config/fields.ts'
import type { Database } from '../server/database.ts'
import type { Monitored, Publisher } from '../watch/monitor.ts'
import type { Links, People } from '../watch/plan/hearers.ts'
import type { CommandTarget } from '../words/commands.ts'
import { Problem } from '../words/problem.ts'
import { type Advancer, type Connections, makeAdvancer, withTurns } from './advancer.ts'
import { keepFresh } from './keep-fresh.ts'
import { type CopyStanding, leadInTurn } from './lead.ts'
import { type Logger, type Terms, termsOf } from './terms.ts'

/** Keeps the views of one database fresh, in turn with other processes, and advances its batches. */
export interface RunningKeeper {
  advancer: Advancer
  /** What the options say that are obeyed. */
  terms(): Terms
  /** Aborted by `stop`. */
  stopped: AbortSignal
  /** Runs schedules, target lags and the monitor until `stop`, while this process leads. */
  start(options?: StartOptions): void
  /** Ends what `start` began. Runs go on in the server. */
  stop(): Promise<void>
}

/** How a process keeps views fresh. */
export interface StartOptions {
  /** Default: what `createKeeper` was told. */
  config?: KeeperConfig
  /** The name that events have for the environment; null: nothing becomes an event. Default: null. */
  environment?: string | null
  /** What commands that people are told to type name. Default: the environment. */
  typed?: CommandTarget
  /** Where messages for people lead to. Left out: nobody takes messages. */
  links?: Links
  /** What channels hear that do not hear everything, by their names. */
  filters?: People['filters']
  /** Whether anybody is told what the monitor finds. Default: null, nobody knows. */
  told?: boolean | null
  /** Is told what each look of the monitor publishes, beside the log. */
  publish?: Publisher
  /** Hears of each look of the monitor, and of each that failed. */
  onLook?(look: Monitored | Error): void
  /** Hears whether this program leads. */
  onStanding?(standing: CopyStanding): void
  /** Works beside the schedules while this program leads. */
  whileLeading?(leading: { signal: AbortSignal }): Promise<void>
}

interface KeeperOptions {
  /** Default: nowhere. */
  logger?: Logger | undefined
  config?: KeeperConfig | undefined
  /** Default: 16 advance two batches, and the clock needs no turn. */
  connections?: Connections
  /** Hears of each run and batch that ends here. */
  onEnd?: () => void
  /** What is logged of a problem. Default: its message. */
  worded?: (problem: Error) => string
}

/** The keeper of a database. Nothing is connected before `start`, or before a batch is advanced. */
export function keeperOf(
  database: Database,
  { logger = silent, config = {}, connections, onEnd, worded = ({ message }) => message }: KeeperOptions,
): RunningKeeper {
  const stopping = new AbortController()
  const { signal } = stopping
  const advancer = makeAdvancer(database, { connections, logger, signal, onEnd })
  const clocked = connections?.brief ? withTurns(database, connections.brief) : database
  let terms = termsOf(config)
  let leading: Promise<void> | undefined
  return {
    advancer,
    terms: () => terms,
    stopped: signal,
    start({
      config: said,
      environment = null,
      typed = environment,
      links,
      filters,
      told = null,
      publish,
      onLook,
      onStanding,
      whileLeading,
    } = {}) {
      const obeyed = said ?? config
      terms = termsOf(obeyed)
      const programs = environment === null ? null : { typed }
      const people =
        environment === null || links === undefined ? null : { environment, links, typed, filters }
      const keeping = {
        ...terms,
        database: clocked,
        logger,
        advancer,
        programs,
        people,
        told,
        publish,
        onLook,
      }
      leading ??= leadInTurn(database, {
        obeys: createHash('sha256').update(JSON.stringify(obeyed)).digest('hex'),
        signal,
        onStanding(standing, why) {
          const log = standing === 'cut off' || standing === 'follows others' ? logger.warn : logger.info
          log.call(logger, words[standing], why instanceof Error ? { problem: worded(why) } : {})
          onStanding?.(standing)
        },
        work: async (leader) => {
          const done = new AbortController()
          const beside = whileLeading?.({ signal: AbortSignal.any([leader.signal, done.signal]) })
          const [idleMs] = await Promise.all([keepFresh(keeping, leader).finally(() => done.abort()), beside])
          return idleMs
        },
      })
    },
    async stop() {
      stopping.abort(new Problem('Canceled', 'The keeper was stopped. Runs go on in the server.'))
      await leading
    },
  }
}

const words: Record<CopyStanding, string> = {
  leads: 'leads: schedules, target lags and the monitor run here',
  follows: 'follows: another process leads',
  'follows others':
    'follows: the process that leads has other options, and the database obeys only those. After a rolling update this ends; ' +
    'if it is another project, give each project a database of its own',
  sleeps: 'sleeps: nothing is due for some minutes, and no connection is open until then',
  'cut off': 'cannot reach the database, and tries again',
}

export const silent: Logger = { info() {}, warn() {}, error() {} }
