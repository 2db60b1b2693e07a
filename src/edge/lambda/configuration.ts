import type { Retention } from '../../db/monitoring/prune.ts'
import { connectTo, type Database } from '../../db/server/connect.ts'
import type { BatchDefaults } from '../../operations/batches/start.ts'
import type { Schedules } from '../../operations/monitoring/schedules.ts'
import { type Telling, usualTelling } from '../../plan/monitoring/telling.ts'
import { exchanges } from '../../plan/run.ts'
import { fromUrl } from './database-url.ts'
import { fromSecret } from './secret.ts'

/** What a function is told by environment variables. */
export interface Configuration {
  /** The name of the environment, as in `infra/environments.ts`. */
  environment: string
  database: Database
  /** What makes Viewkeeper's role; undefined unless the stack created the database. */
  administration: Administration | undefined
  /** Whether a deploy applies the migrations of views, too, and not only the schema steps. */
  viewMigrations: boolean
  schedules: Schedules
  retention: Retention
  telling: Telling
  /** Whether each run that ended is published as metrics with the name of its view. */
  metricsPerView: boolean
  /** The number of runs that one call of `advance` sends at once, whatever the batch allows. */
  runsAtOnce: number
  /** What a batch takes from the environment if its request does not say otherwise. */
  batchDefaults: BatchDefaults
  /** The number of views that the batch of a deploy refreshes at once. */
  deployConcurrency: number | undefined
}

/** The access of an administrator, and the role that the administrator makes. */
export interface Administration {
  database: Database
  /** The login and the password of the role that Viewkeeper works with, from its secret. */
  workingLogin(): Promise<{ login: string; password: string }>
  /** How many connections that role may open. `half`: of the server's. */
  connectionLimit: number | 'half'
}

/** Reads the environment variables. A secret is fetched only when the first connection is opened. */
export const readConfiguration = (env: NodeJS.ProcessEnv = process.env): Configuration => ({
  environment: env.VIEWKEEPER_ENVIRONMENT ?? 'local',
  database: readDatabase(env),
  administration: readAdministration(env),
  viewMigrations: env.VIEW_MIGRATIONS !== 'false',
  schedules: readSchedules(env),
  retention: readRetention(env),
  telling: readTelling(env),
  metricsPerView: env.METRICS_PER_VIEW === 'true',
  runsAtOnce: Number(env.BATCH_RUNS_AT_ONCE ?? Number.POSITIVE_INFINITY),
  batchDefaults: {
    exchange: exchanges.find((each) => each === env.BATCH_EXCHANGE),
    maxTwinBytes: env.MAX_TWIN_BYTES === undefined ? undefined : Number(env.MAX_TWIN_BYTES),
  },
  deployConcurrency: env.BATCH_CONCURRENCY === undefined ? undefined : Number(env.BATCH_CONCURRENCY),
})

/**
 * The database of `DATABASE_URL`, or of `DATABASE_SECRET_ARN`, whose login must not be a superuser. `VIEW_OWNER` owns the
 * views that are created there, unless their definitions name another owner.
 */
const readDatabase = (env: NodeJS.ProcessEnv): Database =>
  env.DATABASE_URL === undefined
    ? connectTo(fromSecret(env.DATABASE_SECRET_ARN, env), { superuser: 'refused', viewOwner: env.VIEW_OWNER })
    : connectTo(fromUrl(env.DATABASE_URL), { viewOwner: env.VIEW_OWNER })

const readAdministration = (env: NodeJS.ProcessEnv): Administration | undefined =>
  env.DATABASE_ADMIN_SECRET_ARN === undefined
    ? undefined
    : {
        database: connectTo(fromSecret(env.DATABASE_ADMIN_SECRET_ARN, env), { viewOwner: env.VIEW_OWNER }),
        async workingLogin() {
          const { user, password } = await fromSecret(env.DATABASE_SECRET_ARN, env)({ fresh: true })
          return { login: user, password }
        },
        connectionLimit: env.CONNECTION_LIMIT === undefined ? 'half' : Number(env.CONNECTION_LIMIT),
      }

/**
 * The schedules that refresh views: `NIGHTLY_SCHEDULE` in `NIGHTLY_TIME_ZONE` refreshes all of them; with
 * `VIEW_SCHEDULES=true` each view is refreshed by the schedule of its definition, too.
 */
const readSchedules = (env: NodeJS.ProcessEnv): Schedules => ({
  nightly:
    env.NIGHTLY_SCHEDULE === undefined || env.NIGHTLY_TIME_ZONE === undefined
      ? null
      : { schedule: env.NIGHTLY_SCHEDULE, timeZone: env.NIGHTLY_TIME_ZONE },
  views: env.VIEW_SCHEDULES === 'true',
})

/**
 * The last `RETAIN_SUCCESSES` successes of each view are kept, and everything else for `RETAIN_DAYS` days. If
 * `RETAIN_SUCCESSES` is empty, successes are kept for `RETAIN_DAYS` days, too.
 */
const readRetention = (env: NodeJS.ProcessEnv): Retention => ({
  successes: env.RETAIN_SUCCESSES === '' ? null : Number(env.RETAIN_SUCCESSES ?? 500),
  days: Number(env.RETAIN_DAYS ?? 90),
})

/**
 * A trouble that is not over is told again after `REMIND_SECONDS`; if that is empty, never. Two tellings are at least
 * `TELL_APART_SECONDS` apart.
 */
const readTelling = (env: NodeJS.ProcessEnv): Telling => ({
  remindSeconds: env.REMIND_SECONDS === '' ? null : Number(env.REMIND_SECONDS ?? usualTelling.remindSeconds),
  apartSeconds: Number(env.TELL_APART_SECONDS ?? usualTelling.apartSeconds),
})
