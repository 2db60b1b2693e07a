// @module-tag deep

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { findFreePort } from '../../serve/process.ts'
import { until } from '../support/waiting/until.ts'
import { useServer } from './support/copies.ts'
import { Project } from './support/project.ts'

// The goals of docs/without-aws.md, from an empty folder, by the commands that stand there.

const page = readFileSync(fileURLToPath(new URL('../../docs/without-aws.md', import.meta.url)), 'utf8')
const { url: superuser, databaseOf } = useServer()

/** Types what the page says: every word of it, up to what the reader fills in. */
function type(project: Project, line: string, env: Record<string, string>) {
  expect(page).toContain(`npx viewkeeper ${line}`)
  return project.run(
    line.split(/ (?=(?:[^']*'[^']*')*[^']*$)/).map((word) => word.replaceAll("'", '')),
    { env },
  )
}

test('somebody with views and no AWS gets from psql to done in at most 600 words', async () => {
  expect(page.match(/\S+/g)!.length).toBeLessThanOrEqual(600)
  expect(page).not.toMatch(/Lambda|CDK|secret(?!s)|SNS/)
  const { url: owner, sql } = await databaseOf('shop')
  await sql.unsafe(`
    create table orders as select i as id, i * 10 as total from generate_series(1, 30) i;
    create materialized view sales as select sum(total) as total from orders;
    create materialized view high as select total from sales where total > 100`)
  const project = new Project()
  project.remove('package.json')

  // 1. A folder and a role; the password stands beside the address.
  expect((await type(project, 'init --serve', {})).code).toBe(0)
  expect(project.files('.')).not.toContain('cdk.json')
  const administrator = new URL(superuser())
  administrator.pathname = '/shop'
  const PGPASSWORD = decodeURIComponent(administrator.password)
  administrator.password = ''
  const made = await type(project, 'create-role', {
    DATABASE_URL: administrator.href,
    PGPASSWORD,
    VIEWKEEPER_PASSWORD: 'of-the-role',
  })
  expect(made, made.err).toMatchObject({ code: 0, out: '' })
  const login = Object.assign(new URL(owner), { username: 'viewkeeper_app', password: 'of-the-role' })
  const env = { DATABASE_URL: login.href }

  // 2. The views.
  const adopted = await type(project, "adopt --all -m 'What is there'", env)
  expect(adopted, adopted.err).toMatchObject({ code: 0 })
  expect(project.files('views')).toEqual(expect.arrayContaining(['high.ts', 'sales.ts']))

  // 3. Nobody is told yet, and the command says so.
  expect((await type(project, 'notify --test', env)).code).not.toBe(0)

  // 4. The process refreshes each night without a word from anybody.
  const port = await findFreePort()
  const process_ = spawn(
    process.execPath,
    [fileURLToPath(new URL('../../cli/viewkeeper.js', import.meta.url)), 'serve', '--require-tokens'],
    {
      cwd: project.folder,
      env: { ...process.env, ...env, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let printed = ''
  for (const stream of [process_.stdout, process_.stderr]) stream.on('data', (part) => (printed += part))
  onTestFinished(async () => {
    process_.kill('SIGKILL')
    await once(process_, 'close').catch(() => {})
  })
  await until(
    () => `serve serves, and says what it refreshes: ${printed}`,
    async () => /"message":"serves"/.test(printed) && /2 views.*02:00/.test(printed),
  )

  // A port that is taken is said before anything is loaded.
  const second = await project.run(['serve'], {
    env: { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', PORT: String(port) },
  })
  expect([second.code, second.err]).toEqual([
    expect.any(Number),
    expect.stringContaining(`port ${port} of 127.0.0.1 is taken`),
  ])

  // 5. Other programs.
  const token = (await type(project, 'token create --name ci --may refresh', env)).out.trim()
  const api = `http://127.0.0.1:${port}`
  const all = await project.run(['refresh', '--all', '--url', api], { env: { VIEWKEEPER_TOKEN: token } })
  expect(all, all.err).toMatchObject({ code: 0 })
  const answer = await fetch(`${api}/views/sales/refresh`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, prefer: 'wait=20' },
  })
  expect(await answer.json()).toMatchObject({ status: 'updated' })
  expect(await type(project, 'drift --offline', {})).toMatchObject({ code: 0 })

  // 6. Day to day.
  const asked = { VIEWKEEPER_TOKEN: token, PORT: String(port) }
  for (const line of ['ls', 'why sales', 'runs --status failed']) {
    const said = await type(project, line, asked)
    expect(said, said.err).toMatchObject({ code: 0 })
  }
})
