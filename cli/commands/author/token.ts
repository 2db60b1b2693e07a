import { type Command, InvalidArgumentError, Option } from 'commander'
import { createToken } from '../../../serve/tokens.ts'
import { type PolicyName, policyNames } from '../../../src/api/route.ts'
import { type KnownToken, listTokens, revokeToken } from '../../../src/record/tokens/tokens.ts'
import { person, report } from '../../../src/terminal/report.ts'
import { utc } from '../../../src/words/phrases.ts'
import { Problem } from '../../../src/words/problem.ts'
import { tableLines } from '../../output/table.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { databaseFromUrl } from '../../target/direct.ts'

/** Declares `token` and its subcommands. */
export function addTo(program: Command): void {
  const token = program
    .command('token')
    .description('make, list or end the tokens that viewkeeper serve lets in')
  token
    .command('create')
    .description('make a token, and write it to standard output, the only time')
    .requiredOption('--name <name>', 'whose token it is; the record says this name')
    .addOption(
      new Option('--may <right>', 'what it allows; each right includes those before it')
        .choices(policyNames)
        .makeOptionMandatory(),
    )
    .option('--expires <days>', 'when it ends, such as 90d (default: never)', days)
    .action((options) => create(options))
  token
    .command('ls')
    .description('list the tokens, each with its end and its last use')
    .option('--json', 'print JSON, for programs')
    .action((options) => list(options))
  token
    .command('revoke')
    .argument('<name>', 'whose token it is')
    .description('end a token; it is let in for at most 5 s more')
    .action((name) => revoke(name))
}

/** `90d` */
function days(text: string): number {
  if (!/^[1-9]\d{0,3}d$/.test(text)) throw new InvalidArgumentError('Write a number of days, such as 90d.')
  return Number(text.slice(0, -1))
}

/** Makes a token, and writes it alone to standard output. */
export async function create({
  name,
  may,
  expires,
}: {
  name: string
  may: PolicyName
  expires?: number
}): Promise<void> {
  const made = await databaseFromUrl(null).withConnection(
    (sql) => createToken(sql, { name, may, days: expires ?? null, by: person() }),
    { writes: true },
  )
  print(made)
  process.stderr.write('  Keep it now: only its digest is stored, and nobody can read it again.\n')
}

const columns = [
  { title: 'NAME', cell: ({ name }: KnownToken) => name },
  { title: 'MAY', cell: ({ may }: KnownToken) => may },
  {
    title: 'EXPIRES',
    cell: ({ expiresAt, expired }: KnownToken) =>
      expiresAt === null ? 'never' : `${utc(expiresAt)}${expired ? ' (expired)' : ''}`,
  },
  {
    title: 'LAST USE',
    cell: ({ lastUsedAt }: KnownToken) => (lastUsedAt === null ? 'never' : utc(lastUsedAt)),
  },
  {
    title: 'CREATED',
    cell: ({ createdAt, createdBy }: KnownToken) => `${utc(createdAt)} by ${createdBy}`,
    leaveOut: 1,
  },
]

/** Lists the tokens that are not revoked. */
async function list({ json }: { json?: true }): Promise<void> {
  const tokens = await databaseFromUrl(null).withConnection(listTokens)
  if (json) printJson(tokens)
  else if (tokens.length === 0) report.line('there is no token')
  else print(...tableLines(columns, tokens, output()))
}

/** Ends a token. Refuses (InvalidRequest) a name that no token has. */
export async function revoke(name: string): Promise<void> {
  if (!(await databaseFromUrl(null).withConnection((sql) => revokeToken(sql, name), { writes: true })))
    throw new Problem(
      'InvalidRequest',
      `There is no token ${name}. List the tokens with: viewkeeper token ls`,
    )
  report.success(`token ${name} is revoked`)
}
