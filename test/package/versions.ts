import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stage } from '../deploy/support/transcript.ts'
import type { Tarball } from './pack.ts'
import { type Place, Team } from './team.ts'

/** A newer version of the package: the same with one more schema step, which only adds, as every step must. */
function newerThan(tarball: Tarball, folder: string): string {
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xzf', tarball.path, '-C', folder])
  const unpacked = join(folder, 'package')
  const steps = readdirSync(join(unpacked, 'schema')).filter((file) => file.endsWith('.sql'))
  const next = String(steps.length + 1).padStart(3, '0')
  writeFileSync(
    join(unpacked, `schema/${next}_of_a_newer_version.sql`),
    'alter table viewkeeper.runs add column newer text;\n',
  )
  const json = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'))
  writeFileSync(join(unpacked, 'package.json'), JSON.stringify({ ...json, version: '99.0.0' }))
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: unpacked,
      encoding: 'utf8',
    }),
  )
  return join(folder, filename)
}

const view = `import { defineView } from 'viewkeeper'

export default defineView({
  name: 'totals',
  query: 'select shop, sum(amount) as amount from public.sale group by shop',
  uniqueKey: ['shop'],
})
`

/**
 * Two people of one team with two versions of the package and one database: the older package on the newer schema, as after
 * a deploy that was rolled back, and the newer package on the older schema, as before its first deploy.
 */
export async function mixVersions(tarball: Tarball, place: Place & { url: string }): Promise<void> {
  const newer = await stage('a newer version, with one more schema step', async () =>
    newerThan(tarball, join(place.transcripts, 'newer')),
  )
  const older = await teamWith(tarball.path, 'team-with-older', place)
  const other = await teamWith(newer, 'team-with-newer', place)
  await stage('the older version makes the schema, a view and its run', async () => {
    await older.types('npx viewkeeper freeze -m "totals of each shop"')
    await older.types('npx viewkeeper migrate up')
  })
  for (const file of readdirSync(join(older.folder, 'migrations')))
    other.write(`migrations/${file}`, older.read(`migrations/${file}`))
  await stage('the newer version on the older schema: check, then migrate up', async () => {
    assert.match(await other.types('npx viewkeeper drift'), /authored, frozen and live are the same/)
    await other.types('npx viewkeeper migrate up')
  })
  await stage('the older version on the newer schema: check, freeze, migrate, refresh', async () => {
    assert.match(await older.types('npx viewkeeper drift'), /authored, frozen and live are the same/)
    older.write('views/best.ts', view.replaceAll('totals', 'best').replace('sum', 'max'))
    await older.types('npx viewkeeper freeze -m "the best of each shop"')
    await older.types('npx viewkeeper migrate up')
    const { match, stop } = await older.starts('npx viewkeeper dev', /api +(http:\S+)/)
    const output = await older.types(`npx viewkeeper refresh best --url ${match[1]}`)
    assert.match(output, /✓ best .+ run \d+/)
    await stop()
  })
}

async function teamWith(tarball: string, name: string, place: Place & { url: string }): Promise<Team> {
  const team = new Team(name, place, { DATABASE_URL: place.url })
  team.write('package.json', '{ "type": "module", "private": true }')
  team.write('views/totals.ts', view)
  await team.types(`npm install --save-dev ${tarball}`)
  return team
}
