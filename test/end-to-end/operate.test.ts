import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Gateway, startGateway } from '../../serve/http/gateway.ts'
import { servedOn } from '../support/api/served.ts'
import { muteConsole } from '../support/console.ts'
import { deep } from '../support/deep.ts'
import { age } from '../support/record/past.ts'
import { updateRows } from '../support/record/rows.ts'
import { startOwnServer } from '../support/servers/own-server.ts'
import { makeKept } from '../support/slices/kept-table.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../support/views/slow-view.ts'
import { Project, type Ran } from './support/project.ts'
import { type Terminal, terminalWith } from './support/terminal.ts'

const { server, sql, database } = await startOwnServer()
let gateway: Gateway

beforeAll(async () => {
  process.env.DATABASE_URL = server.url // the functions of the gateway read it at each call
  await sql.unsafe(`
    create table orders as select 1 + i % 3 as region, i as amount, 1 as n from generate_series(1, 30) i;
    create materialized view sales as select region, sum(amount / n) as total from orders group by region;
    create materialized view sales_top as select * from sales order by total desc limit 2;
    create materialized view returns as select 1 as id;
    create schema app;
    create materialized view app."Odd Name" as select 1 as id`)
  await makeGatedView(sql, 'gated')
  await sql`create materialized view gated_reader as select * from gated`
  gateway = await startGateway({ port: 0, served: servedOn(database) })
})

afterAll(async () => {
  await gateway.close()
  delete process.env.DATABASE_URL
})

// The log lines of the functions.
beforeEach(() => {
  muteConsole()
  return () => vi.restoreAllMocks()
})

const port = () => new URL(gateway.url).port
const esc = '\x1b'

/** Runs `viewkeeper` against the gateway, without a terminal. */
const run = (...args: string[]): Promise<Ran> => new Project().run(args, { env: { PORT: port() } })

/** The same for what has to succeed: what it printed. */
async function succeed(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args)
  expect({ code, err }, out).toEqual({ code: 0, err: '' })
  return out
}

/** Runs `viewkeeper` against the gateway, in a terminal. */
const terminal = (args: string[], env: Record<string, string> = {}): Terminal =>
  terminalWith(args, { cwd: new Project().folder, env: { PORT: port(), ...env } })

const runIn = (text: string): string => /run (\d+)/.exec(text)?.[1] ?? `no run in: ${text}`

describe('a refresh', () => {
  test('of every view shows on a terminal what each view does or waits for, and then the result', async () => {
    const shown = await withGateClosed(sql, 'gated', async (open) => {
      const shown = terminal(['refresh', '--all', '--watch'])
      await untilAtGate(sql, 'gated')
      await shown.sees(/● gated +building +\d+ s/)
      await shown.sees(/· gated_reader +waits for gated/)
      await shown.sees(/^\d of 6 done, .*1 running/m)
      await open()
      return shown
    })
    expect(await shown.exitCode).toBe(0)
    const text = shown.lines().join('\n')
    expect(text).toMatch(/^batch \d{8}-\d{6}-[0-9a-f]{8} {3}6 views, 2 at once\n/)
    for (const view of ['sales', 'sales_top', 'returns', 'app."Odd Name"', 'gated', 'gated_reader'])
      expect(shown.lines().filter((line) => line.startsWith(`✓ ${view} `))).toHaveLength(1)
    expect(text).toMatch(/\n\n✓ 6 of 6 views refreshed in \S+ (s|min)$/)
    expect(text).not.toMatch(/building|waits for|running/)
    expect(shown.written()).toContain(`${esc}[32m✓`)
  })

  test('of one view tells strategy, duration and rows; a name needs no schema public', async () => {
    expect(await succeed('refresh', 'public.returns', '--strategy', 'regular')).toMatch(
      /^✓ returns {3}regular {3}[\d.]+ m?s {3}1 row {3}run \d+\n$/,
    )
    expect(await succeed('refresh', 'app."Odd Name"')).toMatch(/^✓ app\."Odd Name" {3}/)
  })

  test('tells which views were swapped with it', async () => {
    expect(await succeed('refresh', 'sales', '--strategy', 'swap')).toMatch(
      /^✓ sales {3}swap {3}[\d.]+ m?s {3}3 rows {3}run \d+\n {2}with it, and shown at the same moment: sales_top \(run \d+\)\n$/,
    )
  })

  test('by slices says which ones, and what is wrong with others', deep, async () => {
    await sql.unsafe(
      `${makeKept('regions', 'select region, count(*) as n from orders group by region')}; analyze regions`,
    )
    await succeed('refresh', 'regions')
    expect(await succeed('refresh', 'regions', '--slices', '1..2')).toMatch(
      /^✓ regions {3}difference {3}.*\n {2}computes 2 of about 3 slices of region anew, from 1 to 2; 0 rows written\n$/,
    )
    expect(await run('refresh', 'regions', '--slices', '3..1')).toMatchObject({
      code: 2,
      err: expect.stringContaining('no slice from 3 to 1'),
    })
    expect((await run('refresh', 'regions', '--slices', '1..2..3')).err).toContain('two dots between them')
    await sql`drop table regions`
    await sql`drop view regions_query`
  })

  test('with --dry-run says what it would do, in its order, and begins nothing', deep, async () => {
    await succeed('refresh', 'sales', '--strategy', 'swap')
    await succeed('pause', 'ret*')
    try {
      const runs = await succeed('runs', '-o', 'name')
      const lines = (await succeed('refresh', 'sales+', 'returns', '--dry-run')).split('\n')
      expect(lines[0]).toMatch(/^VIEW +HOW +WHY +TAKES$/)
      const told = lines.filter((line) => /^(sales|sales_top|returns) /.test(line))
      expect(told.filter((line) => line.startsWith('sales'))).toEqual([
        expect.stringMatching(/^sales +swap with sales_top +no limit, .* old +\S+ m?s$/),
        expect.stringMatching(/^sales_top +swap +no limit, /),
      ])
      expect(told.join()).toMatch(/returns +left out: paused +paused, /)
      expect(lines.at(-3)).toMatch(/^would refresh 2 views, in about .* one after the other$/)
      expect(await succeed('runs', '-o', 'name')).toBe(runs)
    } finally {
      await succeed('resume', 'returns')
    }
  })

  test('of a selection prints plain lines where there is no terminal', async () => {
    const out = await succeed('refresh', '--select', 'sales+', 'ret*')
    expect(out).toMatch(/^batch \S+ {3}3 views, 2 at once\n(✓ .*\n){3}\n✓ 3 of 3 views refreshed in .*\n$/)
    expect(out).not.toContain(esc)
  })

  test('that fails says why, what readers see and what to type, and exits with 1', deep, async () => {
    await sql`update orders set n = 0 where amount = 5`
    try {
      const one = await run('refresh', 'sales', '--strategy', 'regular')
      expect(one).toMatchObject({ code: 1, err: '' })
      expect(one.out).toMatch(
        /^✗ sales {3}failed after .*\n {2}Run \d+ of public\.sales failed at .* UTC: division by zero \(ViewSqlFailed, 22012\)\. Readers still see the data of .* UTC\.\n/,
      )
      const next =
        '  next: viewkeeper bad-row public.sales\n  more: node_modules/viewkeeper/docs/runbook.md#viewsqlfailed\n'
      expect(one.out).toContain(next)
      expect(await succeed('run', runIn(one.out))).toContain(next)

      const several = await run('refresh', '--select', 'sales+', '--retries', '0')
      expect(several).toMatchObject({ code: 1, err: '' })
      expect(several.out).toMatch(/\n✗ sales {3}failed after .*\n {2}Run \d+ of public\.sales failed at /)
      expect(several.out).toContain(next)
      expect(several.out).toMatch(/\n– sales_top +skipped: public\.sales was not refreshed/)
      expect(several.out).toMatch(
        /\n✗ 0 of 2 views refreshed, 1 failed, 1 skipped in .*\n {2}when the cause is gone: viewkeeper retry [0-9a-f-]+\n$/,
      )
      expect(await succeed('ls', '--failed')).toMatch(
        /\nsales .* failed .*\n\n1 failed view of 6\nnext: viewkeeper why public\.sales\n$/,
      )
      expect(await succeed('ls', '--held-back')).toMatch(
        /\nsales_top .*\n\n.*\nnext: viewkeeper why public\.sales\n$/,
      )
      expect(await succeed('why', 'sales_top')).toMatch(
        /^sales_top .*\n\n▸ Run \d+ of public\.sales failed at .*division by zero \(ViewSqlFailed, 22012\)/,
      )
    } finally {
      await sql`update orders set n = 1`
    }
  })

  test('goes on after Ctrl-C, which exits with 130 and says how to cancel it', deep, async () => {
    const id = await withGateClosed(sql, 'gated', async (open) => {
      const shown = terminal(['refresh', 'gated'])
      await shown.sees(/● gated {3}building/)
      shown.type('\x03')
      expect(await shown.exitCode).toBe(130)
      const text = shown.lines().join('\n')
      const id = runIn(text)
      expect(text).toContain(`run ${id} goes on without you`)
      expect(text).toContain(`cancel it:      viewkeeper cancel ${id}`)
      expect(await succeed('ls', '--running')).toMatch(/\ngated .*running for /)
      await open()
      return id
    })
    expect(await succeed('runs', id, '--watch')).toMatch(/^(✓ gated|run \d+ {3}refresh of gated {3}success)/)
  })

  test('with --no-wait ends when it has begun, and can be canceled', deep, async () => {
    await withGateClosed(sql, 'gated', async () => {
      const begun = await succeed('refresh', 'gated', '--no-wait')
      const id = runIn(begun)
      expect(begun).toContain(`watch it: viewkeeper runs ${id} --watch`)
      await untilAtGate(sql, 'gated')
      expect(runIn(await succeed('refresh', 'gated', '--no-wait'))).toBe(id)
      const other = await run('refresh', 'gated', '--strategy', 'regular')
      expect(other).toMatchObject({ code: 1, out: '' })
      expect(other.err).toContain(`next: viewkeeper runs ${id} --watch`)
      expect(await succeed('cancel', id)).toBe(`✓ run ${id} of gated is canceled; its data are as before\n`)
      expect(await succeed('runs', id)).toMatch(/^run \d+ {3}refresh of gated {3}canceled\n/)
    })
  })
})

describe('on a terminal of 80 columns', () => {
  test('ls --stale lists what is too old, without colours if NO_COLOR is set', deep, async () => {
    await succeed('refresh', '--all')
    await updateRows(sql, 'definitions', { view: 'sales' }, { maxStalenessSeconds: 3600 })
    // A new limit counts from now on, unless the view was expected to be fresh before.
    await updateRows(sql, 'definitions', { view: 'sales' }, { expectedSince: sql`now() - interval '9 d'` })
    await age(sql, '26 h', 'sales')
    const shown = terminal(['ls', '--stale'], { NO_COLOR: '1' })
    expect(await shown.exitCode).toBe(0)
    expect(shown.lines()[0]).toMatch(/^VIEW +STATE +AGE +LIMIT +LAST RUN/)
    expect(shown.lines()[1]).toMatch(/^sales +stale +26 h +60 min +success 26 h ago/)
    expect(shown.lines().slice(-3)).toEqual(['', '1 stale view of 6', 'next: viewkeeper why public.sales'])
    expect(shown.written()).not.toContain(esc)
    await succeed('refresh', 'sales')
    expect(await succeed('ls', '--stale')).not.toContain('sales')
  })

  test('no line of a list is longer, and the terminal says in colour what is fresh', deep, async () => {
    for (const words of ['ls', 'runs', 'batches', 'metrics', 'show sales_top', 'why sales_top']) {
      const shown = terminal(words.split(' '))
      expect(await shown.exitCode).toBe(0)
      expect(shown.wrapped()).toEqual([])
      expect(shown.written()).toContain(`${esc}[`)
    }
  })
})

test('pause and resume change views or everything, and ls says so', async () => {
  expect(await succeed('pause', 'returns')).toMatch(
    /^✓ returns is paused.*\n {2}to end it: viewkeeper resume returns\n$/,
  )
  expect(await succeed('ls', '--paused')).toMatch(/\nreturns +paused .*\n\n1 paused view of 6\n$/)
  expect(await run('refresh', 'returns')).toMatchObject({ code: 1 })
  await succeed('resume', 'returns')
  await succeed('pause', '--all')
  expect(await succeed('ls')).toMatch(/^! everything is paused since .*\n {2}next: viewkeeper resume --all\n/)
  await succeed('resume', '--all')
  expect(await succeed('ls', '--paused')).toBe('no paused view, of 6\n')
  expect(await succeed('quiet', '--from', '2100-01-01T00:00Z', '--for', '2h')).toContain(
    'from 2100-01-01 00:00 UTC until 2100-01-01 02:00 UTC: refreshes go on',
  )
  expect(await succeed('ls')).toMatch(
    /^! nobody is told what is wrong from .*\n {2}next: viewkeeper quiet --end\n/,
  )
  expect(await succeed('quiet', '--end')).toBe('✓ people are told what is wrong\n')
})

test('drop asks on a terminal, and refuses to drop without one', async () => {
  await sql`create materialized view passing as select 1 as id`
  const refused = await run('drop', 'passing')
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toContain('write --yes')
  const doubtful = terminal(['drop', 'passing'])
  await doubtful.sees(/Drop passing in http.*\? Type its name to drop it:/)
  doubtful.type('no\r')
  expect(await doubtful.exitCode).toBe(1)
  expect(doubtful.lines().at(-1)).toMatch(/^passing was not dropped$/)
  for (const [key, code] of [
    ['\x03', 130],
    ['\x04', 1],
  ] as const) {
    const gone = terminal(['drop', 'passing'])
    await gone.sees(/Type its name to drop it:/)
    gone.type(key)
    expect(await gone.exitCode).toBe(code)
    expect(gone.lines().at(-1)).toMatch(/ was not dropped$/)
  }
  await sql`create materialized view passing_reader as select id from passing`
  await sql`create materialized view passing_top as select id from passing_reader`
  const sure = terminal(['drop', 'passing', '--cascade'])
  await sure.sees(/dropped, too: passing_reader, passing_top;/)
  await sure.sees(/Type its name to drop it:/)
  sure.type('passing\r')
  expect(await sure.exitCode).toBe(0)
  expect(sure.lines().at(-1)).toMatch(/^✓ passing {3}dropped/)
  expect(await sql`select from pg_matviews where matviewname like 'passing%'`).toHaveLength(0)
})

test('--json prints what the API says', async () => {
  const { views } = JSON.parse(await succeed('ls', 'sales*', '--json'))
  expect(views.map(({ view }: { view: string }) => view).toSorted()).toEqual([
    'public.sales',
    'public.sales_top',
  ])
  expect(JSON.parse(await succeed('refresh', 'returns', '--json'))).toMatchObject({
    view: 'public.returns',
    status: 'success',
  })
})
