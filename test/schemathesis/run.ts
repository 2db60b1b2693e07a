import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { finish } from '../deploy/support/command.ts'
import { preparePython } from '../deploy/support/emulator/python.ts'
import { framed } from '../deploy/support/frame.ts'
import { poll, stage } from '../deploy/support/transcript.ts'
import { keepErrors } from './errors.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const cache = here('../../.viewkeeper')

/** What may be answered with 503: somebody else is working on the same view. */
const deliberate = ['AlreadyRunning', 'CatalogChanged', 'Deadlock', 'LockTimeout', 'TooManyConnections']

/** Sends what schemathesis makes of the OpenAPI file to the gateway, itself and by our client, and looks at what that has left. */
await framed(
  'schemathesis',
  'schemathesis on every route of the gateway, directly and by the client',
  async ({ folder, teams }) => {
    const python = await stage('install schemathesis', () =>
      preparePython(cache, join(folder, 'pip.txt'), here('requirements.txt'), 'schemathesis'),
    )
    const errors = keepErrors()
    const { startSystem } = await import('./system.ts')
    const { gateway, client, sql } = await stage('PostgreSQL, gateway and client', () =>
      startSystem(join(teams, 'local')),
    )
    const document = join(folder, 'openapi.json')
    await stage('the OpenAPI file', async () => {
      // A server on this machine checks no signature; test/deploy sends requests with and without one.
      const { security: _, ...description } = (await (
        await fetch(`${gateway}/openapi.json`)
      ).json()) as object & { security: object }
      writeFileSync(document, JSON.stringify(description))
    })
    const attack = (name: string, url: string) =>
      stage(
        `${name}: every route of /openapi.json`,
        async () => {
          const { code, output } = await finish(
            python,
            [
              ...['-m', 'schemathesis.cli', '--config-file', here('schemathesis.toml')],
              ...['run', document, '--url', url],
              ...process.argv.slice(2),
            ],
            { cwd: teams, env: { ...process.env, NO_COLOR: '1' }, log: join(folder, `${name}.txt`) },
          )
          assert.equal(code, 0, output)
          return output
        },
        (output) => /^ +\d+ generated.*$/m.exec(output)?.[0].trim() ?? '',
      )
    await attack('gateway', gateway)
    await attack('client', client)
    await stage('no function has failed, and every run ends', async () => {
      assert.deepEqual(
        errors.filter(({ code }) => !deliberate.includes(String(code))),
        [],
      )
      // A batch may wait for minutes before it tries a view again that failed.
      for (const { id } of await sql`select id from viewkeeper.batches where finished_at is null`)
        await fetch(`${gateway}/batches/${id}/cancel`, { method: 'POST' })
      await poll('every run and batch has ended', async () => {
        const open = await sql`
        select id::text from viewkeeper.runs where finished_at is null union all select id from viewkeeper.batches where finished_at is null`
        return open.length === 0 || undefined
      })
    })
  },
)
