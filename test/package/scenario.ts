import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { mustStop } from '../deploy/support/cleanup.ts'
import { stage } from '../deploy/support/transcript.ts'
import { administrator } from '../support/servers/database.ts'
import { startCloud } from './cloud.ts'
import { startFromNothing } from './from-nothing.ts'
import { addToOwnApp } from './own-app.ts'
import { checkReport, lintPackage, pack } from './pack.ts'
import { nodeOfTeam } from './team.ts'
import { mixVersions } from './versions.ts'

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/**
 * The package as a stranger gets it: what is in it; from an empty folder to a deployed view; in an app of one's own; two
 * versions with one database.
 */
export async function packageScenario(folders: {
  cache: string
  folder: string
  teams: string
}): Promise<void> {
  const { folder, teams } = folders
  const node = nodeOfTeam()
  const tarball = await stage(
    'npm pack',
    async () => pack(folder),
    ({ size, unpackedSize, files }) =>
      `${megabytes(size)}, unpacked ${megabytes(unpackedSize)}, ${files.length} files`,
  )
  await stage('publint and are-the-types-wrong', () => lintPackage(tarball))
  await stage('the API report is as it was reviewed', async () => checkReport())
  const cloud = await startCloud(folders)
  const place = { transcripts: folder, teams, cloud, node }
  await startFromNothing(tarball, { ...place, environment: 'from-nothing' })
  await addToOwnApp(tarball, { ...place, environment: 'shop' })
  await mixVersions(tarball, {
    transcripts: folder,
    teams,
    node,
    url: await startServer(join(folder, 'local')),
  })
}

async function startServer(folder: string): Promise<string> {
  const { url } = mustStop('server', await startEmbeddedPostgres({ folder }))
  const sql = administrator(url)
  await sql`create table public.sale as select n % 5 as shop, n as amount from generate_series(1, 1000) n`
  await sql.end()
  return url
}
