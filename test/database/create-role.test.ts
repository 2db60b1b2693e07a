import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { refresh } from '../../src/operations/refresh.ts'
import { callOn, useDatabase } from '../support/database.ts'

const { url, sql, as, database } = useDatabase({ migrated: false })
const script = fileURLToPath(new URL('../../cli/create-role.ts', import.meta.url))
const login = `login_${url.slice(-8)}`

const createRole = (args: string[], env: Record<string, string> = {}) =>
  promisify(execFile)(process.execPath, [script, ...args], {
    env: { PATH: process.env.PATH, DATABASE_URL: url, ...env },
  })

test('the script makes a role that can migrate and refresh, and hands its secret to standard output alone', async () => {
  const owner = `owner_${url.slice(-8)}`
  await sql.unsafe(`
    create role ${owner};
    grant all on schema public to ${owner};
    create materialized view theirs as select 1 as id;
    alter materialized view theirs owner to ${owner}`)
  const { stdout, stderr } = await createRole(['--login', login])
  const secret = JSON.parse(stdout)
  expect(secret).toEqual({ username: login, password: expect.stringMatching(/^[\w-]{32}$/) })
  expect(stderr).toContain(owner)
  expect(stderr).not.toContain(secret.password)

  const { migrate } = await import('../../src/operations/migrate.ts')
  const { schemaFolder } = await import('../support/database.ts')
  const working = as(login, secret.password).database
  expect((await migrate(working, schemaFolder)).applied).not.toEqual([])
  expect(await refresh({ view: 'theirs' }, callOn(working))).toMatchObject({ status: 'updated' })

  const again = await createRole(['--login', login], { VIEWKEEPER_PASSWORD: 'given' })
  expect(again.stdout).toBe('')
  expect(await refresh({ view: 'theirs' }, callOn(as(login, 'given').database))).toMatchObject({
    status: 'updated',
  })
  await expect(refresh({ view: 'theirs' }, callOn(database))).resolves.toMatchObject({ status: 'updated' })
})

test.each([
  ['no DATABASE_URL', [], { DATABASE_URL: undefined as never }, /DATABASE_URL is not set/],
  ['an unknown option', ['--logn', 'x'], {}, /Unknown option '--logn'/],
  [
    'a database that is not there',
    [],
    { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/x' },
    /cannot be reached/,
  ],
])('with %s it says so in a line and fails', async (_, args, env, message) => {
  const failed = await createRole(args, env).catch((error) => error)
  expect(failed).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(message) })
  expect(failed.stderr).not.toMatch(/hunter2|\n {4}at /)
})
