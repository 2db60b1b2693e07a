import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { startEmbeddedPostgres } from '../local/embedded/embedded.ts'
import { findFreePort } from '../serve/process.ts'

// Three copies of `viewkeeper serve` with schedules each minute, of which one is killed or frozen every two minutes:
// node bench/serve-hour.ts [minutes]

const minutes = Number(process.argv[2] ?? 60)
const command = fileURLToPath(new URL('../cli/viewkeeper.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'serve-hour-'))
mkdirSync(join(folder, 'migrations'))
writeFileSync(join(folder, 'viewkeeper.config.mjs'), 'export default {}\n')

const server = await startEmbeddedPostgres({ folder: join(folder, 'data') })
const admin = postgres(server.url, { max: 1, onnotice() {} })
await admin`create role app login password 'secret' createrole`
await admin`create database app owner app`
const url = new URL(server.url)
Object.assign(url, { username: 'app', password: 'secret', pathname: '/app' })
const sql = postgres(url.href, { max: 1, onnotice() {} })
const schedules = ['* * * * *', '*/2 * * * *', '1-59/2 * * * *']

interface Copy {
  process: ChildProcess
  port: number
  leads: boolean
}

async function startCopy(): Promise<Copy> {
  const port = await findFreePort()
  const env = { ...process.env, DATABASE_URL: url.href, PORT: String(port) }
  const child = spawn(process.execPath, [command, 'serve'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const copy: Copy = { process: child, port, leads: false }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) {
      if (/"message":"leads/.test(line)) {
        copy.leads = true
        ledAt = Date.now()
      } else if (/"message":"(follows|cannot reach)/.test(line)) copy.leads = false
    }
  })
  return copy
}

let ledAt = 0
const copies = [await startCopy(), await startCopy(), await startCopy()]
while (!copies.some(({ leads }) => leads)) await pause(100)
for (const [at, schedule] of schedules.entries()) {
  await sql.unsafe(`create materialized view hourly_${at} as select ${at} as id, clock_timestamp() as made`)
  await sql`
    insert into viewkeeper.definitions (schema_name, name, source, schedule, time_zone)
    values ('public', ${`hourly_${at}`}, 'discovered', ${schedule}, 'UTC')
    on conflict do nothing`
  await sql`update viewkeeper.definitions set schedule = ${schedule}, time_zone = 'UTC' where name = ${`hourly_${at}`}`
}
const begun = Date.now()
const measure = async (which: string) => {
  const rss = copies.map(({ process: { pid } }) =>
    Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024),
  )
  const [row] = await sql<[{ connections: number }]>`
    select count(*)::int as connections from pg_stat_activity where usename = 'app' and application_name like 'viewkeeper%'`
  console.log(`${which}: ${rss.join(', ')} MB resident, ${row.connections} connections of three copies`)
}
await pause(20_000)
await measure('idle')
const takeovers: number[] = []
for (let turn = 0; Date.now() - begun < minutes * 60_000; turn++) {
  await pause(begun + (turn + 1) * 120_000 - Date.now())
  const at = copies.findIndex(({ leads }) => leads)
  const hit = copies[at]
  if (hit === undefined) continue
  const since = Date.now()
  if (turn % 2 === 0) {
    hit.process.kill('SIGKILL')
    hit.leads = false
    copies[at] = await startCopy()
  } else {
    hit.process.kill('SIGSTOP')
    hit.leads = false
    setTimeout(() => hit.process.kill('SIGCONT'), 30_000)
  }
  while (ledAt < since && Date.now() - since < 60_000) await pause(50)
  takeovers.push(ledAt - since)
  console.log(`${turn % 2 === 0 ? 'killed' : 'frozen'}: another copy leads after ${ledAt - since} ms`)
}
await pause(35_000)
const until = Date.now() - 10_000
const answers: Record<string, number> = {}
const count = (said: string) => {
  answers[said] = (answers[said] ?? 0) + 1
}
const load = copies.flatMap(({ port }) =>
  Array.from({ length: 100 }, async () => {
    for (let n = 0; n < 20; n++)
      await fetch(`http://127.0.0.1:${port}/views/hourly_${n % 3}/refresh`, {
        method: 'POST',
        headers: { prefer: 'wait=5' },
      })
        .then(async (answer) =>
          count(`${answer.status} ${((await answer.json()) as { code?: string }).code ?? ''}`),
        )
        .catch(() => count('connection broken'))
  }),
)
await pause(5000)
await measure('loaded, 300 callers')
await Promise.all(load)
console.log('answered:', answers)

let expected = 0
let missed = 0
const late: number[] = []
for (const [at, schedule] of schedules.entries()) {
  const rows = await sql<{ key: string; requested: Date }[]>`
    select idempotency_key as key, requested_at as requested from viewkeeper.batches
     where trigger = 'schedule' and requested_by = ${`${schedule} UTC`}`
  const byTurn = new Map(
    rows.map(({ key, requested }) => [new Date(key.slice(-24)).getTime(), requested.getTime()]),
  )
  const isTurn = (minute: number) => at === 0 || minute % 2 === (at === 1 ? 0 : 1)
  for (let turn = Math.ceil(begun / 60_000) * 60_000; turn < until; turn += 60_000) {
    if (!isTurn(new Date(turn).getUTCMinutes())) continue
    expected++
    const requested = byTurn.get(turn)
    if (requested === undefined) missed++
    else late.push(requested - turn)
  }
  if (byTurn.size !== rows.length) console.log(`${schedule}: ${rows.length - byTurn.size} turns began twice`)
}
late.sort((one, other) => one - other)
console.log(`${expected} turns expected, ${expected - missed} recorded, ${missed} missed`)
console.log(`begun after ${late[Math.floor(late.length / 2)]} ms (median), ${late.at(-1)} ms (longest)`)
console.log(`another copy led after ${Math.max(...takeovers)} ms at the latest, ${takeovers.length} times`)
const [runs] =
  await sql`select count(*) filter (where status = 'success')::int as good, count(*)::int as all from viewkeeper.runs`
console.log(`${runs!.good} of ${runs!.all} runs succeeded`)
for (const { process: child } of copies) child.kill('SIGTERM')
await Promise.all([sql.end(), admin.end()])
await server.stop()
rmSync(folder, { recursive: true, force: true })
process.exit(missed === 0 ? 0 : 1)
