import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { mustStop } from '../deploy/support/cleanup.ts'
import { stage } from '../deploy/support/transcript.ts'
import { administrator } from '../support/database.ts'
import { startCloud } from './cloud.ts'
import { startFromNothing } from './from-nothing.ts'
import { addToOwnApp } from './own-app.ts'
import { lintPackage, pack } from './pack.ts'
import { nodesOfMachine } from './team.ts'
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
  const nodes = nodesOfMachine()
  const tarball = await stage(
    'npm pack',
    async () => pack(folder),
    ({ size, unpackedSize, files }) =>
      `${megabytes(size)}, unpacked ${megabytes(unpackedSize)}, ${files.length} files`,
  )
  await stage('publint and are-the-types-wrong', () => lintPackage(tarball))
  const cloud = await startCloud(folders)
  for (const node of nodes) {
    const environment = `node-${node.version.slice(1, 3)}`
    await startFromNothing(tarball, { transcripts: folder, teams, cloud, node, environment })
  }
  for (const node of nodes) await addToOwnApp(tarball, { transcripts: folder, teams, cloud, node })
  await mixVersions(tarball, {
    transcripts: folder,
    teams,
    node: nodes[0]!,
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
