import { randomBytes } from 'node:crypto'
import {
  createRole as createDatabaseRole,
  ownerRole,
  readViewOwners,
  viewsRole,
} from '../../src/db/schema/role.ts'
import { connectTo } from '../../src/db/server/connect.ts'
import { fromUrl } from '../../src/edge/lambda/database-url.ts'
import { quoteIdentifier } from '../../src/plan/names.ts'
import { Problem } from '../../src/problem.ts'

/** Text for people goes to standard error, because standard output takes the secret. */
const say = (line: string): boolean => process.stderr.write(`${line}\n`)

/**
 * Makes the login that Viewkeeper works with, or brings it up to date, and writes its secret to standard
 * output.
 */
export async function createRole({ login, owners }: { login: string; owners?: string[] }): Promise<void> {
  const { DATABASE_URL: url, VIEWKEEPER_PASSWORD: givenPassword } = process.env
  if (!url) {
    throw new Problem(
      'InvalidRequest',
      'DATABASE_URL is not set. Set it to postgres://admin:password@host:5432/database, with the login of an ' +
        'administrator.',
      { field: 'DATABASE_URL' },
    )
  }
  if (givenPassword === undefined && process.stdout.isTTY) {
    throw new Problem(
      'InvalidRequest',
      'The terminal would show the password. Pipe standard output to another command, or set VIEWKEEPER_PASSWORD.',
    )
  }
  const password = givenPassword ?? randomBytes(24).toString('base64url')
  await connectTo(fromUrl(url)).withConnection(async (sql) => {
    const { owners: allOwners, leftOut } = await readViewOwners(sql)
    const viewOwners = owners ?? allOwners
    const { notGranted } = await createDatabaseRole(sql, { login, password, viewOwners })
    const granted = viewOwners.filter((owner) => !notGranted.includes(owner))
    say(
      `role ${login} is ready; it is a member of ${[...new Set([ownerRole, viewsRole, ...granted])].join(', ')}`,
    )
    for (const role of notGranted) {
      say(
        `${role} was not granted: you may not grant it, or it is a member of ${ownerRole}. If it is no member, an administrator runs: grant ${quoteIdentifier(role)} to ${ownerRole};`,
      )
    }
    for (const owner of leftOut.filter((each) => !viewOwners.includes(each))) {
      say(
        `the views of ${owner} were left out: ${owner} is a superuser, your login, or a member of ${ownerRole}. ` +
          'Give these views to another owner, or from PostgreSQL 17 on:',
      )
      say(`  grant maintain on <view> to ${ownerRole};`)
    }
  })
  if (givenPassword === undefined) process.stdout.write(JSON.stringify({ username: login, password }))
}
