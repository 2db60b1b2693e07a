import { type FunctionOptions, optionsOf, saidToDatabase } from '../../config/variables.ts'
import { type KeptDatabase, localEnvironment, type Terms, termsOf } from '../../keeper/terms.ts'
import type { Login } from '../../own-schema/db/role.ts'
import { type ConnectionSource, connectTo } from '../../server/connect.ts'
import type { Database } from '../../server/database.ts'
import { Problem } from '../../words/problem.ts'
import type { Served } from '../route.ts'
import { logger, waiting } from './lifetime.ts'
import { fromSecret, fromToken } from './login.ts'

/** What a function is told by environment variables, and so what its routes work with. */
export interface Configuration extends Terms, Served, KeptDatabase {
  batchDefaults: Terms['batchDefaults']
  looks: Terms['looks']
  /** The name of the environment, as in `viewkeeper.config.ts`. */
  environment: string
  /** What makes Viewkeeper's role; undefined if the role exists already. */
  administration: Administration | undefined
  /** Whether a deploy applies the migrations of views, too, and not only the schema steps. */
  viewMigrations: boolean
  /** Whether each run that ended is published as metrics with the name of its view. */
  metricsPerView: boolean
  /** How long a caller of an operation may wait at most; undefined if nothing but the API sets a limit. */
  longestWaitSeconds: number | undefined
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
  /** Whether the administrator itself logs in with tokens of IAM. */
  usesTokens: boolean
}

/** Reads the environment variables. A secret is fetched only when the first connection is opened. */
export function readConfiguration(env: NodeJS.ProcessEnv = process.env): Configuration {
  const options = optionsOf(env)
  const environment = env.VIEWKEEPER_ENVIRONMENT ?? localEnvironment
  return {
    ...termsOf(options, false),
    environment,
    typed: environment,
    programs: options.eventBus ? { typed: environment } : null,
    people: {
      environment,
      typed: environment,
      links: { pageUrl: options.pageUrl, runbookUrl: options.runbookUrl },
    },
    database: readDatabase(env),
    logger,
    // What records a batch hands on what has to be advanced: openBatch.
    advance() {},
    administration: readAdministration(env, options),
    viewMigrations: env.VIEW_MIGRATIONS !== 'false',
    told: env.TOLD === undefined ? null : env.TOLD === 'true',
    newestMigration: env.NEWEST_MIGRATION === undefined ? null : Number(env.NEWEST_MIGRATION),
    metricsPerView: options.metricsPerView ?? false,
    longestWaitSeconds: env.LONGEST_WAIT_SECONDS === undefined ? undefined : Number(env.LONGEST_WAIT_SECONDS),
    deployConcurrency: options.batchConcurrency,
  }
}

/** Only in Lambda is a server waited for: on a person's machine, one that is away is told at once. */
const waitingIn = (env: NodeJS.ProcessEnv) => (env.AWS_LAMBDA_FUNCTION_NAME === undefined ? {} : { waiting })

/**
 * The database of `DATABASE_URL` or `DATABASE_URL_FILE`, or the one that the other variables name, whose login must not be a
 * superuser. The variables say who owns the views that are created there.
 */
function readDatabase(env: NodeJS.ProcessEnv): Database {
  const terms = { ...waitingIn(env), ...saidToDatabase(optionsOf(env)) }
  if (!env.DATABASE_URL && !env.DATABASE_URL_FILE)
    return connectTo(asWorkingRole(env), { superuser: 'refused', ...terms })
  // Not on AWS: no function loads what reads an address.
  return connectTo(
    async (how) => (await import('../../keeper/database-url.ts')).fromEnvironment(env)!(how),
    terms,
  )
}

const readAdministration = (
  env: NodeJS.ProcessEnv,
  { viewOwner }: FunctionOptions,
): Administration | undefined => {
  const source = sourceOf(env, env.DATABASE_ADMIN_IAM_USER, env.DATABASE_ADMIN_SECRET_ARN)
  if (source === undefined) return undefined
  return {
    database: connectTo(source, { viewOwner, ...waitingIn(env) }),
    async workingLogin() {
      if (env.DATABASE_IAM_USER !== undefined)
        return { login: env.DATABASE_IAM_USER, password: null, iam: true }
      const { user, password } = await asWorkingRole(env)({ fresh: true })
      return { login: user, password }
    },
    connectionLimit: env.CONNECTION_LIMIT === undefined ? 'half' : Number(env.CONNECTION_LIMIT),
    usesTokens: env.DATABASE_ADMIN_IAM_USER !== undefined,
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
