import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { Problem } from '../../src/problem.ts'

/** Options that keep a password out of DATABASE_URL. */
export const addLogin = (command: Command): Command =>
  command
    .option(
      '--password-from <file>',
      'read the password of DATABASE_URL from a file; - is the standard input',
    )
    .addOption(
      new Option(
        '--secret <arn>',
        'log in with a secret of AWS Secrets Manager, such as the one that RDS makes',
      ).conflicts('passwordFrom'),
    )

/** What the options say becomes the variables of libpq, which add to DATABASE_URL what it leaves out. */
export async function takeLogin({ secret, passwordFrom }: { secret?: string; passwordFrom?: string }) {
  const { env } = process
  if (passwordFrom !== undefined) {
    env.PGPASSWORD = readFileSync(passwordFrom === '-' ? 0 : passwordFrom, 'utf8').replace(/\r?\n$/, '')
  } else if (secret !== undefined) {
    const { secretsOf } = await import('../../src/api/lambda/secrets-client.ts')
    const { parseSecret, unreadable } = await import('../../src/api/lambda/login.ts')
    const text = await secretsOf(secret.split(':')[3])
      .get(secret)
      .catch((cause: unknown) => {
        throw unreadable(cause)
      })
    const { username, password, host, port, dbname } = parseSecret(String(text))
    Object.assign(env, { PGUSER: username, PGPASSWORD: password })
    // Where the secret says nothing, the variables of the shell count.
    for (const [name, value] of Object.entries({ PGHOST: host, PGPORT: port, PGDATABASE: dbname }))
      if (value !== undefined) env[name] ??= String(value)
    env.DATABASE_URL ||= 'postgres://'
  } else return
  const { DATABASE_URL: url, PGUSER: user } = env
  if (!url) return
  const taken = await fromUrl(url)({ fresh: false })
  if (taken.password === env.PGPASSWORD && (secret === undefined || taken.user === user)) return
  throw new Problem(
    'InvalidRequest',
    `DATABASE_URL has ${secret === undefined ? 'a password' : 'a user or a password'} already, and it would count. Leave it out: postgres://host:5432/database.`,
    { field: 'DATABASE_URL' },
  )
}
