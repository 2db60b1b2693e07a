import { randomBytes } from 'node:crypto'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { fromUrl, isLoopback } from '../../../src/keeper/database-url.ts'
import {
  createRole as createDatabaseRole,
  type OwnViewsWay,
  readSituation,
  type Situation,
} from '../../../src/own-schema/create-role.ts'
import { besides } from '../../../src/own-schema/db/role.ts'
import { schemaFolder } from '../../../src/package-files.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { examine } from '../../../src/watch/doctor.ts'
import { docsOf, Problem } from '../../../src/words/problem.ts'
import { harmless } from '../../output/terminal.ts'
import { readLoginSecret, secretText, writeLoginSecret } from '../../project/login-secret.ts'
import { commaSeparated, positive } from '../asking.ts'
import { findingsLines } from './doctor.ts'

interface CreateRoleOptions {
  login?: string
  rotate?: boolean
  iam?: boolean
  acceptTokensOnly?: boolean
  owners?: string[]
  trust?: string[]
  connectionLimit?: number
  ownViews?: 'keep' | OwnViewsWay
  createSecret?: string
  kmsKey?: string
  tag?: Record<string, string>
}

/** Text for people goes to standard error, because standard output takes the secret. */
const say = (line: string): boolean => process.stderr.write(line === '' ? '\n' : `  ${harmless(line)}\n`)

/** Declares `create-role`. */
export function addTo(program: Command): void {
  program
    .command('create-role')
    .description('make or update the role that Viewkeeper works with')
    .option('--login <name>', 'the role to log in as (default: viewkeeper_app, with --iam viewkeeper_iam)')
    .option('--rotate', 'give an existing login a new password')
    .addOption(new Option('--iam', 'make a login without a password, for tokens of IAM').conflicts('rotate'))
    .option(
      '--accept-tokens-only',
      'with --iam from PostgreSQL 16 on: RDS may refuse your own password from then on',
    )
    .option(
      '--owners <a,b>',
      'work only on the views of these owners (default: on all views)',
      commaSeparated,
    )
    .option(
      '--trust <a,b>',
      "roles that may administer Viewkeeper's roles, and from which schema viewkeeper is taken over",
      commaSeparated,
    )
    .option(
      '--connection-limit <n>',
      "how many connections the role may open (default: half of the server's, unless a limit is set)",
      positive,
    )
    .option(
      '--create-secret <name>',
      'keep the login in this secret of AWS Secrets Manager, made if it is not there',
    )
    .option('--kms-key <id>', 'the customer key of a new secret: id, ARN or alias (default: the one of AWS)')
    .option('--tag <key=value>', 'a tag of a new secret; as often as you want', tagged)
    .addOption(
      new Option('--own-views <way>', 'what to do with the views that belong to your own login').choices([
        'keep',
        'give',
        'maintain',
      ]),
    )
    .addHelpText(
      'after',
      `
DATABASE_URL has to name an administrator, who needs createrole but need not be a superuser. The password may
stand elsewhere: --password-from, --secret (of a master user, as RDS makes it), PGPASSWORD, ~/.pgpass.

The command says whose rights the login will have, grants what is needed to work on the views, and says each
thing that it changed. If it could not do everything, it prints the SQL that is missing and who has to run it,
and exits with 1 unless everything works without it. It changes nothing if others have a hand in schema viewkeeper or in Viewkeeper's roles.

The password of a new login is VIEWKEEPER_PASSWORD. If that is not set, a password is generated, and put into
the secret of --create-secret, whose ARN is written to standard output. It has the fields that the rotations of AWS read, with host and port
of DATABASE_URL; --rotate keeps each field but user name and password. Without --create-secret the same is written
there as JSON; standard output must then not be a terminal.

  npx viewkeeper create-role --create-secret viewkeeper/production

A login of Viewkeeper's keeps its password unless you write --rotate; any other role needs --rotate. With --iam the login has no password, and
nothing is written to standard output: members of role rds_iam log in with a token of IAM (on RDS and Aurora).
A password does not let such a member in, so --iam makes another role, and takes no password away.

The ways of --own-views, each with its price:

  keep       makes no role: Viewkeeper logs in as you.
             Price: Viewkeeper has all rights of your login.
  give       gives the views to role viewkeeper_views, and makes your login a member of that role.
             Price: to alter or refresh these views, other logins need that membership.
  maintain   grants maintain on the views, from PostgreSQL 17 on.
             Price: no swap, so readers may wait; and no migrations of these views.`,
    )
    .action((options) => createRole(options))
}

/**
 * Makes the login that Viewkeeper works with, or brings it up to date, and writes the secret of a new password to standard
 * output. If a right is still missing, prints the SQL, and the exit code is 1.
 */
export async function createRole(options: CreateRoleOptions): Promise<void> {
  const { DATABASE_URL: url } = process.env
  if (!url) {
    throw new Problem(
      'InvalidRequest',
      'DATABASE_URL is not set. Set it to postgres://admin:password@host:5432/database, with the login of an ' +
        'administrator; ~/.pgpass, PGPASSWORD, --password-from or, on AWS, --secret <arn> may have the password.',
      { field: 'DATABASE_URL' },
    )
  }
  if (options.createSecret === undefined && (options.kmsKey !== undefined || options.tag !== undefined))
    throw new Problem(
      'InvalidRequest',
      '--kms-key and --tag are for the secret of --create-secret: name it.',
      {
        field: '--create-secret',
      },
    )
  await connectTo(fromUrl(url)).withConnection(
    async (sql) => {
      const login = options.login ?? (options.iam ? 'viewkeeper_iam' : 'viewkeeper_app')
      const situation = await readSituation(sql, login)
      insistOnWay(situation, login, options)
      const missing =
        options.ownViews === 'keep'
          ? await keep(sql, situation)
          : await make(sql, situation, login, { ...options, url })
      if (missing > 0) process.exitCode = 1
    },
    { deadline: Date.now() + 600_000, writes: true },
  )
}

/** Makes the role; returns how many rights are missing. */
async function make(
  sql: Sql,
  { loginExists }: Situation,
  login: string,
  {
    rotate,
    iam,
    owners,
    trust,
    ownViews,
    connectionLimit,
    createSecret,
    kmsKey,
    tag,
    acceptTokensOnly,
    url,
  }: CreateRoleOptions & { url: string },
): Promise<number> {
  const { password, isKept } = newPassword(iam || (loginExists && !rotate), createSecret)
  const server = await fromUrl(url)({ fresh: false })
  const present = isKept && createSecret !== undefined ? await readLoginSecret(createSecret) : null
  const way = ownViews === 'keep' ? null : (ownViews ?? null)
  const request = {
    login,
    password,
    connectionLimit,
    ...(iam && { iam }),
    owners: owners ?? null,
    ownViews: way,
    trusted: trust,
    acceptsTokensOnly: acceptTokensOnly,
  }
  const { done, findings, missing, joined, makerHasIam } = await createDatabaseRole(
    sql,
    schemaFolder,
    request,
  )
  if (password !== null && isKept) {
    const secret = secretText(server, { username: login, password }, present ?? {})
    process.stdout.write(
      createSecret === undefined
        ? secret
        : await writeLoginSecret({ name: createSecret, kmsKey, tags: tag }, present !== null, secret),
    )
    if (createSecret !== undefined && present === null && isLoopback(server.hostaddr ?? server.host))
      say(
        `host and port in the secret are ${server.host}:${server.port}, as you reach the server: a rotation of AWS needs those of the server itself`,
      )
  }
  if (joined.length > 0) {
    say(`${login} has all rights of ${joined.join(', ')}: it can read, change and drop everything of theirs`)
    say('')
  }
  for (const statement of done) say(`✓ ${statement}`)
  if (done.length === 0) say('nothing had to be changed')
  if (iam) say(`${login} logs in with a token of IAM and has no password`)
  else if (password === null) say(`${login} keeps its password; --rotate gives it a new one`)
  if (iam && makerHasIam)
    say(
      `your own login is a member of rds_iam, too: if RDS refuses its password, log in with a token: ${docsOf('iam.md#to-log-in-yourself')}`,
    )
  say('')
  for (const line of findingsLines({ ...findings, missing })) say(line)
  const needed = missing.filter(({ membership = '' }) => !besides.includes(membership))
  if (missing.length > needed.length)
    say(`Viewkeeper works without ${besides.join(' and ')}: the exit code is that of what else is missing`)
  return needed.length
}

/** The password to set, null to keep the present one; and whether it has to be written down, because the caller does not know it. */
function newPassword(
  keeps: boolean,
  createSecret: string | undefined,
): { password: string | null; isKept: boolean } {
  if (keeps) return { password: null, isKept: false }
  const { VIEWKEEPER_PASSWORD: given } = process.env
  if (given !== undefined && createSecret === undefined) return { password: given, isKept: false }
  if (process.stdout.isTTY && createSecret === undefined) {
    throw new Problem(
      'InvalidRequest',
      'The terminal would show the password. Set VIEWKEEPER_PASSWORD, or pipe standard output to another command; on AWS, write ' +
        '--create-secret <name>.',
    )
  }
  return { password: given ?? randomBytes(24).toString('base64url'), isKept: true }
}

/** Adds a tag that was typed to the others. */
function tagged(text: string, others: Record<string, string> = {}): Record<string, string> {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Write key=value.')
  return { ...others, [key]: value }
}

/** Makes nothing, and looks whether the administrator's own login is enough. */
async function keep(sql: Sql, { me }: Situation): Promise<number> {
  const findings = await examine(sql, me)
  say(`nothing was changed: Viewkeeper works as ${me}. Give it the user name and password of ${me}`)
  say('')
  for (const line of findingsLines(findings)) say(line)
  return findings.missing.length
}

/** Refuses an administrator who owns views and names no way, and a way that the server or the other options rule out. */
function insistOnWay(
  { me, ownViews: views, major, loginExists, loginHasIam }: Situation,
  login: string,
  { owners, ownViews: way, iam }: CreateRoleOptions,
): void {
  if (iam && way === 'keep') {
    throw new Problem(
      'InvalidRequest',
      `--iam: with --own-views keep no role is made, and Viewkeeper works as ${me}. Leave --iam out, or choose another way.`,
      { field: '--iam' },
    )
  }
  if (iam && loginExists && !loginHasIam) {
    throw new Problem(
      'InvalidRequest',
      `--iam: ${login} logs in with a password, and RDS would take only tokens from it: whatever uses the password would stop ` +
        'at once. Nothing was changed. Name another role in --login; both log in until nothing uses the password.',
      { field: '--iam' },
    )
  }
  if (way === 'maintain' && major < 17) {
    throw new Problem(
      'InvalidRequest',
      `--own-views maintain: this server is PostgreSQL ${major}, and privilege maintain exists from 17 on. Choose keep or give.`,
      { field: '--own-views' },
    )
  }
  if (views.length === 0 || way !== undefined || owners !== undefined) return
  throw new Problem(
    'InvalidRequest',
    `${views.length === 1 ? 'A view belongs' : `${views.length} views belong`} to your own login, ${me}: ${views.join(', ')}. ` +
      `Viewkeeper's role cannot become a member of ${me}${major < 16 ? ' unless you name it in --owners' : ''}. Nothing was changed. ` +
      'Choose a way; each has a price:\n\n' +
      `  --own-views keep       makes no role: Viewkeeper logs in as ${me}.\n` +
      `                         Price: Viewkeeper has all rights of ${me}.\n` +
      `  --own-views give       gives the views to role viewkeeper_views, and makes ${me} a member of that role.\n` +
      '                         Price: to alter or refresh these views, other logins need that membership.\n' +
      (major < 17
        ? ''
        : '  --own-views maintain   grants maintain on the views.\n' +
          '                         Price: no swap, so readers may wait; and no migrations of these views.\n') +
      '\nOr leave these views out: name the other owners in --owners.',
    { field: '--own-views' },
  )
}
