import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Gateway, startGateway } from '../../serve/http/gateway.ts'
import { type AnyState, states } from '../../src/catalog/plan/state.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { termsOf } from '../../src/keeper/terms.ts'
import { connectTo } from '../../src/server/connect.ts'
import { monitor } from '../../src/watch/monitor.ts'
import { Project } from '../end-to-end/support/project.ts'
import { servedOn } from '../support/api/served.ts'
import { unheard } from '../support/aws/publisher.ts'
import { age } from '../support/record/past.ts'
import { deleteRows, earlier, updateRows } from '../support/record/rows.ts'
import { useDatabase } from '../support/servers/database.ts'
import { messagesOf, passTime } from '../support/views/pass.ts'
import { noNightNow } from '../support/waiting/half-a-day.ts'
import { whileLocked } from '../support/waiting/holder.ts'
import { startBrowser } from './support/browser.ts'
import { openPage } from './support/page.ts'

// Whatever people look at says the same of each view, at each moment of a story: the terminal, the page, the API and the mails.

const { url, sql } = useDatabase()
const terms = termsOf({
  schedules: noNightNow,
  monitorEveryMinutes: 1,
})
let gateway: Gateway
let browser: Browser
const database = connectTo(fromUrl(url))

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', url)
  gateway = await startGateway({ port: 0, served: { ...servedOn(database), ...terms } })
  browser = await startBrowser()
})
afterAll(async () => {
  await browser.close()
  await gateway.close()
  vi.unstubAllEnvs()
})
beforeEach(async () => {
  for (const table of ['runs', 'batches', 'definitions', 'incidents', 'switches'] as const)
    await deleteRows(sql, table)
  await sql.unsafe(`
    drop schema if exists shop cascade;
    create schema shop;
    create table shop.orders (id int primary key, customer int, country text, amount int, parts int);
    insert into shop.orders select i, i % 9, 'c' || i % 5, i, 1 + i % 7 from generate_series(1, 100) i;
    create materialized view shop.order_values as select id, customer, country, amount / parts as value from shop.orders;
    create materialized view shop.customer_value as select customer, country, sum(value) as value from shop.order_values group by 1, 2;
    create materialized view shop.country_value as select country, sum(value) as value from shop.customer_value group by 1;
    create materialized view shop.best_countries as select * from shop.country_value order by value desc limit 2;
    create materialized view shop.report as select count(*) as orders from shop.orders`)
})

const run = async (...args: string[]) => {
  const ran = await new Project().run(args, { env: { PORT: new URL(gateway.url).port } })
  return `${ran.out}${ran.err}`
}
const look = () =>
  monitor(database, {
    schedules: terms.schedules,
    publish: unheard,
    looks: terms.looks,
    people: { environment: 'production', typed: 'production', links: {} },
  })
/** Lets time pass. All data are equally old then, in a group or not: of the stale views the oldest comes first. */
async function pass(time: string): Promise<void> {
  const oldest = sql`case when as_of is not null then (select min(as_of) from viewkeeper.runs) end`
  await updateRows(sql, 'runs', {}, { asOf: oldest })
  await age(sql, time)
  await earlier(sql, 'definitions', {}, time, 'expectedSince', 'updatedAt')
}

interface Told {
  view: string
  state: AnyState
  culprit: string | null
  nextBy: string | null
  promisedFor: string | null
}
const listed = async (): Promise<Told[]> =>
  ((await (await fetch(`${gateway.url}/views`)).json()) as { views: Told[] }).views

/** The subjects and texts of what is mailed now. */
async function mailed(): Promise<string> {
  await passTime(sql, '6 minutes')
  await look()
  const messages = await messagesOf(sql)
  await deleteRows(sql, 'events', { type: 'Message' })
  return JSON.stringify(messages)
}

const names = ['best_countries', 'country_value', 'customer_value', 'order_values', 'report']
const all = (word: string): Truth => Object.fromEntries(names.map((name) => [name, word]))
const allFresh = all('fresh')
const reportPaused = { report: 'paused', ...Object.fromEntries(Object.entries(allFresh).slice(0, -1)) }

/** What each view is by the table: `failed`, or `heldBack by order_values`; in the order of `ls`. */
type Truth = Record<string, string>

/** Holds the API, the terminal and the page against the truth. */
async function expectTruth(truth: Truth): Promise<void> {
  const views = await listed()
  const word = ({ state, culprit }: Told) =>
    `${states[state].word}${culprit === null ? '' : ` by ${culprit.replace('shop.', '')}`}`
  expect(Object.fromEntries(views.map((view) => [view.view.replace('shop.', ''), word(view)]))).toEqual(truth)

  const lines = (await run('ls')).split('\n').filter((line) => /^shop\.\S+ {2}/.test(line))
  expect(lines.map((line) => line.match(/^shop\.(\S+)/)![1])).toEqual(Object.keys(truth))
  for (const line of lines) {
    const [, name] = line.match(/^shop\.(\S+)/)!
    expect(line.replaceAll('shop.', '')).toContain(truth[name!])
  }
  const unwell = Object.entries(truth).filter(([, word]) => !['fresh', 'paused', 'no limit'].includes(word))
  const [first] = unwell
  if (first === undefined) expect(await run('ls')).not.toContain('next:')
  else {
    const { view, culprit } = views.find((each) => each.view === `shop.${first[0]}`)!
    expect(await run('ls')).toContain(`next: viewkeeper why ${culprit ?? view}\n`)
  }

  const { page, complaints } = await openPage(browser, gateway.url)
  const rows = page.locator('table.views tbody tr')
  await rows.nth(Object.keys(truth).length - 1).waitFor()
  const shown = await rows.evaluateAll((rows) =>
    rows.map((row) => [
      row.querySelector('th, [data-label=View], td a')?.textContent ?? '',
      (row.textContent ?? '').replaceAll('shop.', ''),
    ]),
  )
  expect(shown.map(([name]) => name!.replace('shop.', ''))).toEqual(Object.keys(truth))
  for (const [name, text] of shown)
    expect(text).toContain(truth[name!.replace('shop.', '')]!.replace(/ by .*/, ''))
  for (const [name, text] of shown) {
    const culprit = truth[name!.replace('shop.', '')]!.match(/ by (.*)/)?.[1]
    if (culprit !== undefined) expect(text).toContain(culprit)
  }
  expect(complaints).toEqual([])
}

test('five views are adopted, a lag is promised, one is paused, data break, are diagnosed and fixed', async () => {
  await look()
  await expectTruth(all('unknown'))
  expect(await run('ls', '--stale')).toContain('no stale view, of 5')

  expect(await run('refresh', '--all')).toContain('5 views')
  await look()
  await expectTruth(allFresh)

  await updateRows(sql, 'definitions', { name: 'best_countries' }, { targetLagSeconds: 900 })
  await look()
  const source = (await listed()).find(({ view }) => view === 'shop.order_values')!
  expect(source).toMatchObject({ promisedFor: 'shop.best_countries', nextBy: 'lag' })
  expect(await run('show', 'shop.order_values')).toContain('within 15 min, for shop.best_countries')
  await expectTruth(allFresh)

  await run('pause', 'shop.report')
  await expectTruth(reportPaused)

  await updateRows(sql, 'definitions', {}, { retries: 0 })
  await sql`update shop.orders set parts = 0 where id = 3`
  await run('refresh', '--all')
  const broken = {
    order_values: 'failed',
    best_countries: 'held back by order_values',
    country_value: 'held back by order_values',
    customer_value: 'held back by order_values',
    report: 'paused',
  }
  await expectTruth(broken)
  for (const view of Object.keys(broken).slice(0, 4)) {
    const why = await run('why', `shop.${view}`)
    expect(why.split('division by zero')).toHaveLength(2)
    expect(why).toContain('holds back: shop.best_countries, shop.country_value, shop.customer_value')
  }
  await look()
  const mail = await mailed()
  expect(mail).toContain('shop.order_values')
  expect(mail).toContain('division by zero')
  expect(mail.split('division by zero').length).toBeLessThan(8)

  await pass('20 minutes')
  await look()
  await expectTruth(broken)

  await sql`update shop.orders set parts = 1 where id = 3`
  expect(await run('refresh', '--select', 'shop.order_values+')).toContain('order_values')
  await look()
  await expectTruth(reportPaused)
})

test('a lock is held over lunch: the group of its view fails at it, and why names the session and the view', async () => {
  await run('refresh', '--all')
  await look()
  await updateRows(sql, 'definitions', {}, { retries: 0 })
  // Only what is to fail at the lock has so little time.
  const within = (timeoutSeconds: number) =>
    updateRows(sql, 'definitions', { name: names.slice(0, 4) }, { timeoutSeconds })
  await within(2)
  await whileLocked(url, 'select from shop.customer_value', async () => {
    await run('refresh', '--all')
    // They are exchanged at one moment or not at all, so all of them failed at the one lock.
    await expectTruth({
      best_countries: 'failed',
      country_value: 'failed',
      customer_value: 'failed',
      order_values: 'failed',
      report: 'fresh',
    })
    expect(await run('why', 'shop.best_countries')).toMatch(/Process \d+ .*holds \w+ on shop\.customer_value/)
    await look()
    expect(await mailed()).toContain('shop.customer_value')
  })
  await within(300)
  await run('retry')
  await expectTruth(allFresh)
})

test('a source is dropped with what reads it: what was authored is missing, and what has no way without it, too', async () => {
  await run('refresh', '--all')
  await updateRows(sql, 'definitions', { name: ['customer_value', 'country_value'] }, { source: 'authored' })
  await look()
  await sql`drop materialized view shop.customer_value cascade`
  await look()
  await expectTruth({
    country_value: 'missing',
    customer_value: 'missing',
    order_values: 'fresh',
    report: 'fresh',
  })
  expect(await run('why', 'shop.country_value')).toContain('migrate up --repair')
  expect(await mailed()).toContain('shop.customer_value')
})

test('everything is paused for a week: all views are stale, and why says who has paused them', async () => {
  await run('refresh', '--all')
  await look()
  await run('pause', '--all')
  await pass('7 days')
  await look()
  await expectTruth(all('stale'))
  expect(await run('why', 'shop.report')).toContain('has paused everything scheduled')
  expect(await mailed()).toContain('resume --all')
  await run('resume', '--all')
  await run('refresh', '--all')
  await look()
  await expectTruth(allFresh)
})
