import type { Retention } from '../../db/monitoring/prune.ts'
import type { Login } from '../../db/schema/role.ts'
import { type ConnectionSource, connectTo, type Database } from '../../db/server/connect.ts'
import type { BatchDefaults } from '../../operations/batches/start.ts'
import type { Schedules } from '../../operations/monitoring/schedules.ts'
import { type Telling, usualTelling } from '../../plan/monitoring/telling.ts'
import { exchanges } from '../../plan/run.ts'
import { Problem } from '../../problem.ts'
import { fromUrl } from './database-url.ts'
import { fromSecret } from './secret.ts'
import { fromToken } from './token.ts'

/** What stands for the name of the environment if the functions are not deployed. */
export const localEnvironment = 'local'

/** What a function is told by environment variables. */
export interface Configuration {
  /** The name of the environment, as in `viewkeeper.config.ts`. */
  environment: string
  database: Database
  /** What makes Viewkeeper's role; undefined if the role exists already. */
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
  /** The role that Viewkeeper works with: with the password of its secret, or with IAM. */
  workingLogin(): Promise<Login>
  /** How many connections that role may open. `half`: of the server's. */
  connectionLimit: number | 'half'
}

/** Reads the environment variables. A secret is fetched only when the first connection is opened. */
export const readConfiguration = (env: NodeJS.ProcessEnv = process.env): Configuration => ({
  environment: env.VIEWKEEPER_ENVIRONMENT ?? localEnvironment,
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
 * The database of `DATABASE_URL`, or the one that the other variables name, whose login must not be a superuser.
 * `VIEW_OWNER` owns the views that are created there, unless their definitions name another owner.
 */
const readDatabase = (env: NodeJS.ProcessEnv): Database =>
  env.DATABASE_URL === undefined
    ? connectTo(asWorkingRole(env), { superuser: 'refused', viewOwner: env.VIEW_OWNER })
    : connectTo(fromUrl(env.DATABASE_URL), { viewOwner: env.VIEW_OWNER })

const readAdministration = (env: NodeJS.ProcessEnv): Administration | undefined => {
  const source = sourceOf(env, env.DATABASE_ADMIN_IAM_USER, env.DATABASE_ADMIN_SECRET_ARN)
  if (source === undefined) return undefined
  return {
    database: connectTo(source, { viewOwner: env.VIEW_OWNER }),
    async workingLogin() {
      if (env.DATABASE_IAM_USER !== undefined)
        return { login: env.DATABASE_IAM_USER, password: null, iam: true }
      const { user, password } = await asWorkingRole(env)({ fresh: true })
      return { login: user, password }
    },
    connectionLimit: env.CONNECTION_LIMIT === undefined ? 'half' : Number(env.CONNECTION_LIMIT),
  }
}

/** The role that Viewkeeper works with: `DATABASE_IAM_USER`, or the one in the secret `DATABASE_SECRET_ARN`. */
const asWorkingRole = (env: NodeJS.ProcessEnv): ConnectionSource =>
  sourceOf(env, env.DATABASE_IAM_USER, env.DATABASE_SECRET_ARN) ??
  (async () => {
    throw new Problem(
      'InternalError',
      'None of DATABASE_URL, DATABASE_SECRET_ARN and DATABASE_IAM_USER is set.',
    )
  })

/** How a role logs in: with a token if its name is given, with the secret if that is given. */
function sourceOf(
  env: NodeJS.ProcessEnv,
  iamUser: string | undefined,
  secretArn: string | undefined,
): ConnectionSource | undefined {
  if (iamUser !== undefined) return fromToken(iamUser, env)
  return secretArn === undefined ? undefined : fromSecret(secretArn, env)
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
