import assert from 'node:assert/strict'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { mustStop } from '../deploy/support/cleanup.ts'
import { stage } from '../deploy/support/transcript.ts'
import { administrator } from '../support/servers/database.ts'
import { type Cloud, startCloud } from './cloud.ts'
import { synthFirst } from './first-synth.ts'
import { startFromNothing } from './from-nothing.ts'
import { addToOwnApp } from './own-app.ts'
import { checkReport, lintPackage, pack, type Tarball } from './pack.ts'
import { nodeOfTeam, type Place } from './team.ts'
import { mixVersions } from './versions.ts'

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** What strangers do with the package: each by itself, with what it needs. */
const ways = {
  /** The first `cdk synth`, in a clone and in an empty folder. */
  'first-synth': synthFirst,
  /** From an empty folder to a deployed view. */
  'from-nothing': async (tarball, place) =>
    startFromNothing(tarball, { ...place, cloud: await place.cloud(), environment: 'from-nothing' }),
  'own-app': async (tarball, place) =>
    addToOwnApp(tarball, { ...place, cloud: await place.cloud(), environment: 'shop' }),
  /** Two versions with one database. */
  versions: async (tarball, place) =>
    mixVersions(tarball, { ...place, url: await startServer(join(place.transcripts, 'local')) }),
} satisfies Record<string, (tarball: Tarball, place: Place & { cloud(): Promise<Cloud> }) => Promise<void>>

/** The package as a stranger gets it: what is in it, then the ways that are named, or all. */
export async function packageScenario(
  { cache, folder, teams }: { cache: string; folder: string; teams: string },
  named: string[],
): Promise<void> {
  const node = nodeOfTeam()
  const tarball = await stage(
    'npm pack',
    async () => pack(folder),
    ({ size, unpackedSize, files }) =>
      `${megabytes(size)}, unpacked ${megabytes(unpackedSize)}, ${files.length} files`,
  )
  await stage('no source map is in it', async () =>
    assert.deepEqual(
      tarball.files.filter((file) => file.endsWith('.map')),
      [],
    ),
  )
  await stage('publint and are-the-types-wrong', () => lintPackage(tarball))
  await stage('the API report is as it was reviewed', async () => checkReport())
  let started: Promise<Cloud> | undefined
  const cloud = () => (started ??= startCloud({ cache, folder }))
  for (const [name, way] of Object.entries(ways))
    if (named.length === 0 || named.includes(name))
      await way(tarball, { transcripts: folder, teams, node, cloud })
}

async function startServer(folder: string): Promise<string> {
  const { url } = mustStop('server', await startEmbeddedPostgres({ folder }))
  const sql = administrator(url)
  await sql`create table public.sale as select n % 5 as shop, n as amount from generate_series(1, 1000) n`
  await sql.end()
  return url
}
