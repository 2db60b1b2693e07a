import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../../local/embedded/embedded.ts'
import { administrator } from '../servers/database.ts'
import { installed, major } from '../servers/test-server.ts'
import { evidenceFolder } from './evidence.ts'

// Starts the server that failed tests have left, and prints the address of each database that was kept.

const folder = join(evidenceFolder, 'server')
if (!existsSync(join(folder, `postgres-${major}`))) {
  console.error(
    `No database of PostgreSQL ${major} was kept: no test with a database failed in the last run, or POSTGRES names another version.`,
  )
  process.exit(1)
}
const { url, stop } = await startEmbeddedPostgres({
  folder,
  version: major,
  ...(installed && { binaries: installed }),
})
const sql = administrator(url)
const databases = await sql<
  { name: string }[]
>`select datname as name from pg_database where datname like 't\\_%'`
await sql.end()
for (const { name } of databases) console.log(url.replace(/[^/]*$/, name))
console.log('Ctrl-C stops the server.')
process.once('SIGINT', async () => {
  await stop()
  process.exit(0)
})
setInterval(() => {}, 60_000)
