import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startDemo } from '../../page/support/demo.ts'
import { makeNight } from '../../page/support/night.ts'
import { record } from './recording.ts'

// npm run recordings: records commands of the demo for docs/pictures.

const demo = await startDemo()
const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-recordings-'))
try {
  const take = async (name: string, ...args: string[]) => {
    const picture = await record(args, { cwd: folder, env: { PORT: new URL(demo.url).port } })
    await writeFile(new URL(`../../../docs/pictures/${name}.svg`, import.meta.url), picture)
  }
  await take('refresh', 'refresh', '--all')
  const night = await makeNight(demo)
  await take('ls', 'ls')
  await take('why', 'why', 'route_delays')
  await take('show', 'show', 'route_delays')
  await night.end()
  const sql = postgres(demo.databaseUrl, { max: 1 })
  await sql`delete from flights where date = '2001-01-20' and origin = 'SAT' and destination = 'DFW' and delay = 0`
  await sql.end()
  await take('retry', 'retry')
} finally {
  await rm(folder, { recursive: true })
  await demo.stop()
}
