// @module-tag deep

import { expect, test } from 'vitest'
import { until } from '../../support/waiting/until.ts'
import { asked, serve, stands, useServer, waiting } from '../support/copies.ts'

const { databaseOf } = useServer()

test('1,000 callers at once: one run, an answer or a clear refusal for each, and bounded memory and connections', async () => {
  const { url, sql } = await databaseOf('crowd')
  await sql.unsafe(`
    create table closed as select;
    create function wait() returns integer language plpgsql as $$
    begin
      while exists (select from public.closed) loop perform pg_sleep(0.01); end loop;
      return 1;
    end $$;
    create materialized view slow as select wait() as id with no data`)
  const copy = await serve({ DATABASE_URL: url })
  await stands(copy, 'leads')
  const metric = async (name: string) => {
    const answer = await fetch(`${copy.url}/metrics`)
    return Number(new RegExp(`^${name}(?:{.*})? (.+)$`, 'm').exec(await answer.text())?.[1])
  }
  const call = async () => {
    const answer = await fetch(`${copy.url}/views/slow/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ strategy: 'regular' }),
    })
    const { code, status } = (await answer.json()) as { code?: string; status?: string }
    const again = answer.headers.has('retry-after') ? 'with Retry-After' : ''
    return [answer.status, code ?? status, again].filter(Boolean).join(' ')
  }
  const said = await Promise.all(Array.from({ length: 1000 }, call))
  const isClear =
    /^(202 running|503 (TooManyRequests|TooManyConnections|DatabaseUnavailable) with Retry-After)$/
  expect(said.filter((each) => !isClear.test(each))).toEqual([])
  expect(await metric('process_resident_memory_bytes')).toBeLessThan(400e6)
  await sql`delete from closed`
  const ends = () =>
    sql`select status, error ->> 'class' as error, count(*)::integer from viewkeeper.runs group by 1, 2 order by 1`
  await until('the run has ended', async () => (await ends()).every(({ status }) => status !== 'running'))
  const [skipped, success, ...others] = await ends()
  expect([skipped, success, others]).toMatchObject([
    { status: 'skipped', error: 'AlreadyRunning' },
    { status: 'success', count: 1 },
    [],
  ])
  const joined = said.filter((each) => each === '202 running').length - 1
  expect(skipped?.count).toBeGreaterThanOrEqual(joined)
  const healthy = await fetch(`${copy.url}/healthz`)
  expect([healthy.status, healthy.headers.get('keep-alive')]).toEqual([200, 'timeout=125'])
  expect(await asked(copy, '/readyz')).toBe('200')
  expect(await asked(copy, '/views/slow/refresh', waiting)).toBe('200')
  // Who was told on a slow machine that the database does not answer in time stands in the log, and nothing else.
  const unavailable = said.filter((each) => each.includes('DatabaseUnavailable'))
  const errors = copy.lines
    .filter(({ level }) => level === 'ERROR')
    .map(({ message, code }) => `${message} ${code}`)
  expect(errors).toEqual(unavailable.map(() => 'refused DatabaseUnavailable'))
})
