import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { mustStop } from '../deploy/support/cleanup.ts'
import { stage } from '../deploy/support/transcript.ts'
import { administrator } from '../support/database.ts'
import { lintPackage, pack } from './pack.ts'
import { nodesOfMachine } from './team.ts'
import { mixVersions } from './versions.ts'

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** The package as a stranger gets it: what is in it, from an empty folder to a deployed view, in an app of one's own, and with
 * two versions at once. */
export async function packageScenario({ folder }: { cache: string; folder: string }): Promise<void> {
  const [own] = nodesOfMachine()
  const tarball = await stage(
    'npm pack',
    async () => pack(folder),
    ({ size, unpackedSize, files }) =>
      `${megabytes(size)}, unpacked ${megabytes(unpackedSize)}, ${files.length} files`,
  )
  await stage('publint and are-the-types-wrong', () => lintPackage(tarball))
  const server = mustStop('database', await startEmbeddedPostgres({ folder: join(folder, 'database') }))
  const sql = administrator(server.url)
  await sql.unsafe(
    'create table public.sale as select n % 5 as shop, n as amount from generate_series(1, 1000) n',
  )
  await sql.end()
  await mixVersions(tarball, folder, own!, server.url)
}
