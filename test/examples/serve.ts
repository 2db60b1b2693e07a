import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import postgres from 'postgres'
import { parse } from 'yaml'
import { findFreePort } from '../../serve/process.ts'
import { mustStop } from '../deploy/support/cleanup.ts'
import { stage } from '../deploy/support/transcript.ts'
import type { Tarball } from '../package/pack.ts'
import { type Place, Team } from '../package/team.ts'
import { startTestServer } from '../support/servers/test-server.ts'
import { until } from '../support/waiting/until.ts'
import { build } from './image.ts'

const release = new URL('../../.github/workflows/release.yml', import.meta.url)
type Release = { jobs: { image: { steps: { name?: string; run: string }[] } } }

/** The image of a release: made by the steps of the Dockerfile, and started as its user, who may write nothing in it. */
export async function tryServe({ path }: Tarball, place: Place): Promise<void> {
  const project = new Team('serve', place)
  const folder = join(place.teams, 'image')
  const image = await stage('serve: the steps of the Dockerfile', async () => {
    // As the release makes it of the package.
    mkdirSync(join(project.folder, 'release'))
    cpSync(path, join(project.folder, 'release', basename(path)))
    const made = (parse(readFileSync(release, 'utf8')) as Release).jobs.image.steps.find(
      ({ name }) => name === 'Make the folder',
    )
    await project.types(made!.run)
    project.write('image/.env', 'SECRET=secret\n')
    mkdirSync(folder)
    // Nothing is in a cache where an image is built.
    return build(join(project.folder, 'image'), folder, {
      ...process.env,
      ...place.node.env,
      npm_config_cache: join(folder, 'cache'),
    })
  })
  const app = join(image.root, image.workdir)
  for (const missing of ['.env', 'Dockerfile', 'node_modules/typescript'])
    assert.equal(existsSync(join(app, missing)), false, missing)
  const server = mustStop('the PostgreSQL of the image', await startTestServer())
  const sql = postgres(server.url, { max: 1 })
  await sql.unsafe(`create role app login password 'secret' createrole`)
  await sql.unsafe('create database shop owner app')
  await sql.end()
  const address = Object.assign(new URL(server.url), {
    username: 'app',
    password: 'secret',
    pathname: '/shop',
  })
  const secret = join(folder, 'database_url')
  writeFileSync(secret, address.href, { mode: 0o644 })
  await stage('serve: the image answers as nobody special, in folders that it cannot write', async () => {
    for (const each of [place.teams, folder]) chmodSync(each, 0o755)
    execFileSync('chmod', ['-R', 'a-w', image.root])
    const port = await findFreePort()
    const [command, ...args] = image.command as [string, ...string[]]
    assert.equal(command, 'node')
    const child = spawn(process.execPath, args, {
      cwd: app,
      env: { ...image.env, PORT: String(port), DATABASE_URL_FILE: secret, HOME: '/nowhere' },
      ...(process.getuid?.() === 0 && { uid: image.uid, gid: image.uid }),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (printed += part))
    const ended = once(child, 'close')
    mustStop('the process of the image', {
      async stop() {
        child.kill('SIGKILL')
        await ended
        execFileSync('chmod', ['-R', 'u+w', image.root])
      },
    })
    const ask = (what: string) => fetch(`http://127.0.0.1:${port}${what}`).catch(() => undefined)
    await until(
      'the image answers',
      async () => child.exitCode !== null || (await ask('/readyz'))?.status === 200,
    )
    assert.deepEqual(
      [(await ask('/healthz'))?.status, (await ask('/readyz'))?.status, (await ask('/views'))?.status],
      [200, 200, 401],
      printed,
    )
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null], printed)
  })
}
