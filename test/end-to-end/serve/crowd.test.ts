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
    const answer = await fetch(`${copy.url}/metrics`, { headers: { accept: 'text/plain' } })
    return Number(new RegExp(`^${name} (.+)$`, 'm').exec(await answer.text())?.[1])
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
  const said = Object.groupBy(await Promise.all(Array.from({ length: 1000 }, call)), (each) => each)
  const counted = Object.fromEntries(Object.entries(said).map(([each, same = []]) => [each, same.length]))
  const refusals = ['503 TooManyConnections with Retry-After', '503 TooManyRequests with Retry-After']
  expect(Object.keys(counted).sort()).toEqual(['202 running', '409 AlreadyRunning', ...refusals])
  expect(counted['202 running']).toBe(1)
  expect(await metric('process_resident_memory_bytes')).toBeLessThan(400e6)
  await sql`delete from closed`
  const ends = () =>
    sql`select status, error ->> 'class' as error, count(*)::integer from viewkeeper.runs group by 1, 2 order by 1`
  await until('the run has ended', async () => (await ends()).every(({ status }) => status !== 'running'))
  expect(await ends()).toEqual([
    { status: 'skipped', error: 'AlreadyRunning', count: counted['409 AlreadyRunning'] },
    { status: 'success', error: null, count: 1 },
  ])
  expect(await asked(copy, '/healthz')).toBe('200')
  expect(await asked(copy, '/readyz')).toBe('200')
  expect(await asked(copy, '/views/slow/refresh', waiting)).toBe('200')
  expect(copy.lines.filter(({ level }) => level === 'ERROR')).toEqual([])
})
