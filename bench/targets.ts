import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { summarize } from './support/measure.ts'
import { colors, escaped, type Row } from './support/table.ts'

const minutes = 10
const picture = new URL('../docs/pictures/targets.svg', import.meta.url)

const views = {
  live_total: { lag: 60, query: 'select count(*) as orders, sum(total) as total from public.orders' },
  per_customer: {
    lag: 120,
    query: 'select customer, count(*) as orders, sum(total) as total from public.orders group by customer',
  },
  top_customers: {
    lag: 300,
    query: 'select customer, total from public.per_customer order by total desc limit 100',
  },
}

const files = {
  'migrations/001_orders.up.sql':
    'create table orders as select i as id, i % 5000 as customer, i % 97 as total from generate_series(1, 200000) i;',
  'migrations/001_orders.down.sql': 'drop table orders;',
  ...Object.fromEntries(
    Object.entries(views).map(([name, { lag, query }]) => [
      `views/${name}.ts`,
      `import { defineView } from 'viewkeeper'\nexport default defineView({ name: '${name}', query: '${query}', targetLagSeconds: ${lag} })\n`,
    ]),
  ),
}

/** Samples the ages of three views with target lags for ten minutes, while `viewkeeper dev` keeps them and somebody writes. */
export const measureTargets = ({ write }: { write?: boolean | undefined }): Promise<Row[]> =>
  withLocalSystem(files, async ({ url, run }) => {
    console.error(`bench: three target lags, ${minutes} minutes`)
    await run('refresh', '--all')
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    try {
      const ages = await sampleAges(sql)
      const panels = await Promise.all(
        Object.entries(views).map(async ([name, { lag }]): Promise<AgePanel> => {
          const { of, began } = ages
          const refreshes = await sql<{ at: number }[]>`
            select extract(epoch from finished_at)::float8 - ${began} as at from viewkeeper.runs
             where view_name = ${name} and operation = 'refresh' and status = 'success'
               and extract(epoch from finished_at) between ${began} and ${began + minutes * 60}`
          const title = `${name}, targetLagSeconds: ${lag}${name === 'top_customers' ? ', reads per_customer' : ''}`
          return { title, lag, ages: of.get(name)!, refreshes: refreshes.map(({ at }) => at) }
        }),
      )
      console.error(await run('ls', '-o', 'wide'))
      if (write)
        writeFileSync(picture, drawAges('The age of three views with target lags', minutes * 60, panels))
      return [
        { title: `${minutes} minutes of viewkeeper dev, a look each minute: the ages of the views` },
        ...panels.map(({ title, lag, ages, refreshes }) => ({
          name: `${title}: ${refreshes.length} refreshes, older for ${ages.filter(({ age }) => age > lag).length} of ${ages.length} samples`,
          ms: summarize(ages.map(({ age }) => age * 1000)),
        })),
      ]
    } finally {
      await sql.end()
    }
  })

/** A row is written and the ages are read, each second. */
async function sampleAges(sql: postgres.Sql) {
  const of = new Map<string, { at: number; age: number }[]>(Object.keys(views).map((name) => [name, []]))
  const [{ began }] = (await sql`select extract(epoch from clock_timestamp())::float8 as began`) as [
    { began: number },
  ]
  for (const start = performance.now(); ; ) {
    const at = (performance.now() - start) / 1000
    if (at >= minutes * 60) return { began, of }
    await sql`insert into orders values (0, ${Math.floor(at) % 5000}, 1)`
    const rows = await sql<{ name: string; age: number }[]>`
      select d.name, extract(epoch from clock_timestamp() - l.as_of)::float8 as age
        from viewkeeper.definitions d join viewkeeper.latest_runs l on l.definition_id = d.id where l.as_of is not null`
    for (const { name, age } of rows) of.get(name)?.push({ at, age })
    await pause(Math.max(0, start + (Math.floor(at) + 1) * 1000 - performance.now()))
  }
}

/** How old a view was, in seconds since the begin. */
interface AgePanel {
  title: string
  /** How old it may become, in seconds. */
  lag: number
  ages: { at: number; age: number }[]
  /** When its refreshes ended. */
  refreshes: number[]
}

const [width, left, right, high] = [860, 60, 20, 110]

const style = `${colors}
.age { fill: none; stroke: #4f46e5; stroke-width: 2 } .lag { stroke: #b91c1c; stroke-width: 1.5; stroke-dasharray: 6 4 }
.axis { stroke: #94a3b8 } .refresh { fill: #0f766e } .small { font-size: 12px }
@media (prefers-color-scheme: dark) { .age { stroke: #818cf8 } .lag { stroke: #f87171 } .axis { stroke: #64748b } .refresh { fill: #2dd4bf } }`

/** Draws the age of each view against time, as SVG: the line of its target lag, and a mark below for each refresh. */
function drawAges(title: string, seconds: number, panels: AgePanel[]): string {
  const x = (at: number) => (left + (at / seconds) * (width - left - right)).toFixed(1)
  let top = 6
  const drawn = panels.map(({ title: heading, lag, ages, refreshes }) => {
    const most = 1.15 * Math.max(lag, ...ages.map(({ age }) => age))
    const bottom = top + 40 + high
    const y = (age: number) => (bottom - (age / most) * high).toFixed(1)
    const marks = refreshes.map((at) => {
      const to = x(at)
      return `<path class="refresh" d="M${to} ${bottom + 3} l5 9 h-10 z"/>`
    })
    const lines = [
      `<text class="title" x="12" y="${top + 22}">${escaped(heading)}</text>`,
      `<line class="axis" x1="${left}" x2="${width - right}" y1="${bottom}" y2="${bottom}"/>`,
      `<text class="small" x="${left - 8}" y="${bottom + 4}" text-anchor="end">0 s</text>`,
      `<line class="lag" x1="${left}" x2="${width - right}" y1="${y(lag)}" y2="${y(lag)}"/>`,
      `<text class="small" x="${left - 8}" y="${Number(y(lag)) + 4}" text-anchor="end">${lag} s</text>`,
      `<polyline class="age" points="${ages.map(({ at, age }) => `${x(at)},${y(age)}`).join(' ')}"/>`,
      ...marks,
    ]
    top = bottom + 22
    return lines.join('\n')
  })
  const minutes = Array.from({ length: Math.floor(seconds / 60) + 1 }, (_, minute) => minute)
  const axis = minutes.map(
    (minute) =>
      `<text class="small" x="${x(minute * 60)}" y="${top + 12}" text-anchor="middle">${minute}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + 44}" role="img" aria-labelledby="title">
<title id="title">${escaped(title)}</title>
<style>${style}</style>
${drawn.join('\n')}
${axis.join('\n')}
<text class="small" x="${left}" y="${top + 34}">Minutes. Line: age. Dashes: target lag. Triangles: refreshes.</text>
</svg>
`
}

const execute = promisify(execFile)

const repository = fileURLToPath(new URL('../', import.meta.url))
const commandLine = join(repository, 'cli/viewkeeper.js')

interface LocalSystem {
  /** The address of its PostgreSQL. */
  url: string
  /** Runs `viewkeeper` in the folder. */
  run: (...args: string[]) => Promise<string>
}

/** Runs `viewkeeper dev` on a temporary folder with these files while `work` runs. Leaves nothing. */
async function withLocalSystem<T>(
  files: Record<string, string>,
  work: (system: LocalSystem) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(repository, join(folder, 'node_modules/viewkeeper'))
  for (const [file, content] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), content)
  }
  const started = { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1' } }
  const dev = spawn(process.execPath, [commandLine, 'dev'], {
    ...started,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(dev, 'exit')
  const interrupt = () => dev.kill('SIGINT')
  process.once('SIGINT', interrupt)
  try {
    await isReady(dev.stdout, ended)
    const runIn = async (env: NodeJS.ProcessEnv, args: string[]) =>
      (
        await execute(process.execPath, [commandLine, ...args], {
          ...started,
          env: { ...started.env, ...env },
        })
      ).stdout
    const url = (await runIn({}, ['dev', '--database-url'])).trim()
    await runIn({ DATABASE_URL: url }, ['freeze', '-m', 'first'])
    await runIn({ DATABASE_URL: url }, ['migrate', 'up'])
    return await work({ url, run: (...args) => runIn({}, args) })
  } finally {
    interrupt()
    await ended
    process.off('SIGINT', interrupt)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits for the last line of the start. */
async function isReady(lines: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<void> {
  let printed = ''
  const seen = new Promise<void>((resolve) => {
    lines.on('data', (chunk) => {
      printed += chunk
      if (printed.includes('Ctrl-C stops everything')) resolve()
    })
  })
  await Promise.race([
    seen,
    ended.then(() => {
      throw new Error(`viewkeeper dev has ended:\n${printed}`)
    }),
  ])
}
