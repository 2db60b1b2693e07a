import { expect, test } from 'vitest'
import type { ViewList } from '../../../src/api/answers.ts'
import { deep } from '../../support/deep.ts'
import { until } from '../../support/waiting/until.ts'
import { runCommand, serve, useServer } from '../support/copies.ts'

// What somebody sees who starts `viewkeeper serve` for the first time, and says nothing else.

const { databaseOf } = useServer()

async function first(name: string, config = '{}') {
  const { url, sql } = await databaseOf(name)
  await sql`create materialized view sales as select 1 as id`
  await sql`create materialized view customers as select 1 as id`
  const copy = await serve({ DATABASE_URL: url }, [], config)
  await copy.says(/^serves/)
  /** The list, as of a look of the monitor. */
  const list = () =>
    until('the monitor has looked', async () => {
      const answer = (await (await fetch(`${copy.url}/views`)).json()) as ViewList
      return answer.silence?.told === false && answer
    })
  const run = async (...args: string[]) =>
    (await runCommand([...args, '--url', copy.url], { VIEWKEEPER_TYPED: '' })).printed
  return { copy, list, run, url }
}

test('every view has a nightly batch and a limit; one line says so before, and that nobody is told is loud', async () => {
  const { copy, list, run, url } = await first('defaults')
  await copy.says(/^refreshes 2 views each night at 02:00 Etc\/UTC; `schedules` changes that$/)
  await copy.says(/^nobody is told what goes wrong/)
  const { views, silence } = await until('the look has given limits', async () => {
    const answer = await list()
    return answer.views.every(({ maxStaleMs }) => maxStaleMs !== null) && answer
  })
  expect(silence).toMatchObject({ unrefreshed: [], told: false, forgotten: [] })
  expect(views).toHaveLength(2)
  for (const { nextBy, nightly, maxStaleMs } of views) {
    expect([nextBy, nightly]).toEqual(['nightly', '02:00 Etc/UTC'])
    expect(maxStaleMs).toBeGreaterThan(24 * 3_600_000)
  }
  expect(await run('plan')).toMatch(/nightly 02:00 Etc\/UTC .* customers, sales/)
  const listed = await run('ls', '-o', 'wide')
  expect(listed).toMatch(/^VIEW [\s\S]*nightly 02:00 Etc\/UTC/)
  expect(listed).toMatch(/^! nobody is told/m)
  expect((await runCommand(['doctor'], { DATABASE_URL: url })).printed).toMatch(/^ *! nobody is told/m)
  expect(await run('why', 'sales')).toMatch(/^! nobody is told/m)
})

test('without schedules, that nothing refreshes the views is as loud, everywhere', deep, async () => {
  const { copy, list, run, url } = await first('silent', '{ serve: { schedules: false } }')
  const loud = /nothing refreshes 2 views: public\.customers, public\.sales/
  await copy.says(loud)
  expect((await list()).silence?.unrefreshed).toEqual(['public.customers', 'public.sales'])
  expect(await run('ls')).toMatch(loud)
  expect((await runCommand(['doctor'], { DATABASE_URL: url })).printed).toMatch(loud)
  expect(await run('why', 'sales')).toMatch(/nothing refreshes 1 view: public\.sales/)
})
