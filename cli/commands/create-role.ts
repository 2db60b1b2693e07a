import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createRole, ownerRole, readViewOwners, viewsRole } from '../../src/db/schema/role.ts'
import { connectTo } from '../../src/db/server/connect.ts'
import { fromUrl } from '../../src/edge/server/configuration.ts'
import { Problem } from '../../src/problem.ts'

const usage = `Makes the database role that Viewkeeper works with, or brings it up to date.

  DATABASE_URL=postgres://admin:…@host:5432/db npm run -s create-role -- [options]

  --login NAME      the role to log in as (viewkeeper_app)
  --owners A,B      the owners of the views to work on (every owner of a materialized view; not you, a superuser, or a
                    member of viewkeeper)

DATABASE_URL is an administrator's; for a server on RDS it ends in ?sslrootcert=global-bundle.pem, the file of roots that
RDS offers for download. The password is taken from VIEWKEEPER_PASSWORD; without it one is made up, and the
secret for AWS Secrets Manager is written to standard output, which must then not be a terminal:

  … npm run -s create-role | aws secretsmanager create-secret --name viewkeeper/production --secret-string file:///dev/stdin
`

const say = (line: string): boolean => process.stderr.write(`${line}\n`)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      login: { type: 'string', default: 'viewkeeper_app' },
      owners: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const url = process.env.DATABASE_URL
  if (values.help || url === undefined) {
    say(usage)
    if (!values.help)
      throw new Problem('InvalidRequest', 'DATABASE_URL is not set.', { field: 'DATABASE_URL' })
    return
  }
  const given = process.env.VIEWKEEPER_PASSWORD
  if (given === undefined && process.stdout.isTTY) {
    throw new Problem(
      'InvalidRequest',
      'A password would be shown. Pipe the output on, or set VIEWKEEPER_PASSWORD.',
    )
  }
  const { login } = values
  const password = given ?? randomBytes(24).toString('base64url')
  await connectTo(fromUrl(url)).withConnection(async (sql) => {
    const { owners, leftOut } = await readViewOwners(sql)
    const viewOwners = values.owners?.split(',').filter(Boolean) ?? owners
    const { notGranted } = await createRole(sql, { login, password, viewOwners })
    const granted = viewOwners.filter((owner) => !notGranted.includes(owner))
    say(
      `role ${login} is ready; it is a member of ${[...new Set([ownerRole, viewsRole, ...granted])].join(', ')}`,
    )
    for (const role of notGranted) {
      say(
        `not granted, because you may not, or it is a member of ${ownerRole}: grant "${role}" to ${ownerRole};`,
      )
    }
    for (const owner of leftOut.filter((each) => !viewOwners.includes(each))) {
      say(
        `left out: the views of ${owner}, who is a superuser, you, or a member of ${ownerRole}. ` +
          'Give them to another owner, or from PostgreSQL 17 on:',
      )
      say(`  grant maintain on <view> to ${ownerRole};`)
    }
  })
  if (given === undefined) process.stdout.write(JSON.stringify({ username: login, password }))
}

try {
  await main()
} catch (error) {
  say(
    error instanceof Problem || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
      ? `create-role: ${(error as Error).message}`
      : String((error as Error).stack),
  )
  process.exitCode = 1
}
