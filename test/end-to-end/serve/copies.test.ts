import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findFreePort } from '../../../serve/process.ts'
import { deep } from '../../support/deep.ts'
import { define, updateRows } from '../../support/record/rows.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { hourHalfADayAway } from '../../support/waiting/half-a-day.ts'
import { until } from '../../support/waiting/until.ts'
import { asked, type Copy, serve, standingOf, stands, useServer, waiting } from '../support/copies.ts'
import { eachMinute } from '../support/minutes.ts'
import { temporaryFolder } from '../support/viewkeeper.ts'

const { url: superuser, databaseOf } = useServer()

test(
  'a leader that is killed, frozen or cut off is followed by another within 15 s; a missed turn is caught up once',
  deep,
  async () => {
    const { url, sql } = await databaseOf('copies')
    await sql`create materialized view sales as select 1 as id`
    const file = join(temporaryFolder(), 'url')
    writeFileSync(file, `${url}\n`)
    const copies = [await serve({ DATABASE_URL: url }), await serve({ DATABASE_URL_FILE: file })]
    let leader = await until('one copy leads', async () =>
      copies.find((copy) => standingOf(copy) === 'leads'),
    )
    await eachMinute(sql, 'sales')
    const turns = async () =>
      (
        await sql`
    select idempotency_key as key from viewkeeper.batches where trigger = 'schedule' order by serial`
      ).map(({ key }) => key)
    const blows = {
      frozen: (leader: Copy) => leader.process.kill('SIGSTOP'),
      'cut off': () => sql`
      select pg_terminate_backend((value ->> 'pid')::integer) from viewkeeper.switches where key = 'leader'`,
      killed: (leader: Copy) => leader.process.kill('SIGKILL'),
    }
    for (const [how, blow] of Object.entries(blows)) {
      const struck = leader
      const others = copies.filter((copy) => copy !== struck)
      const before = (copy: Copy) => copy.lines.filter(({ message }) => message.startsWith('leads')).length
      const led = new Map(copies.map((copy) => [copy, before(copy)]))
      const since = Date.now()
      await blow(struck)
      const again = how === 'cut off' ? copies : others
      // The one that was cut off may say so later than another says that it leads.
      leader = await until(`another copy leads after one was ${how}`, async () =>
        again.find((copy) => before(copy) > led.get(copy)!),
      )
      // 15 s, and what a busy machine adds.
      expect(Date.now() - since).toBeLessThan(60_000)
      if (how === 'frozen') {
        struck.process.kill('SIGCONT')
        await stands(struck, 'follows')
      }
    }
    const keys = await turns()
    expect(new Set(keys).size).toBe(keys.length)
  },
)

test(
  'a copy with other options than the leader says so, as that of another project; one with the same does not',
  deep,
  async () => {
    const { url } = await databaseOf('projects')
    const leader = await serve({ DATABASE_URL: url })
    await leader.says(/^leads/)
    const same = await serve({ DATABASE_URL: url })
    await same.says(/^follows: another process leads/)
    const other = await serve({ DATABASE_URL: url }, [], '{ serve: { batchConcurrency: 4 } }')
    await other.says(/^follows: the process that leads has other options/)
    leader.process.kill('SIGTERM')
    same.process.kill('SIGTERM')
    await other.says(/^leads/)
    const again = await serve({ DATABASE_URL: url })
    await again.says(/^follows: the process that leads has other options/)
  },
)

test('a turn that came while no copy was there is begun by the first leader, once', deep, async () => {
  const { url, sql } = await databaseOf('late')
  // No turn comes while the test goes on.
  const schedule = `0 ${hourHalfADayAway} * * *`
  await sql`create materialized view sales as select 1 as id`
  const first = await serve({ DATABASE_URL: url })
  await first.says(/^leads/)
  await until('the monitor has looked', async () => {
    const looked = await sql`select from viewkeeper.switches where key = 'looked'`
    return looked.count > 0
  })
  await define(sql, 'sales', { source: 'discovered', schedule, timeZone: 'UTC' })
  first.process.kill('SIGTERM')
  expect(await first.exit).toBe(0)
  // The last leader looked before the turn, which is long over now.
  const [turn] = await sql<[{ at: Date }]>`
    select date_trunc('day', clock_timestamp() - make_interval(hours => ${hourHalfADayAway}), 'UTC') + make_interval(hours => ${hourHalfADayAway}) as at`
  await updateRows(sql, 'switches', { key: 'looked' }, { value: { at: new Date(turn.at.getTime() - 1000) } })
  const turns = () =>
    sql<
      { key: string }[]
    >`select idempotency_key as key from viewkeeper.batches where requested_by = ${`${schedule} UTC`}`
  for (let again = 0; again < 2; again++) {
    const copy = await serve({ DATABASE_URL: url })
    await copy.says(/^leads/)
    await until('the turn is on record', async () => (await turns()).length > 0)
    copy.process.kill('SIGTERM')
    expect(await copy.exit).toBe(0)
  }
  expect((await turns()).map(({ key }) => key)).toEqual([`${schedule} UTC ${turn.at.toISOString()}`])
})

test('SIGTERM: the answer that has begun is finished, and the run is on record', deep, async () => {
  const { url, sql } = await databaseOf('ending')
  await makeGatedView(sql, 'slow')
  const copy = await serve({ DATABASE_URL: url })
  await copy.says(/^serves/)
  await withGateClosed(sql, 'slow', async (open) => {
    const answer = asked(copy, '/views/slow/refresh', waiting)
    await untilAtGate(sql, 'slow')
    copy.process.kill('SIGTERM')
    await open()
    expect(await answer).toBe('200')
    expect(await copy.exit).toBe(0)
  })
  expect(await sql`select status from viewkeeper.runs`).toEqual([{ status: 'success' }])
})

test('what keeps a copy from starting is one clear line', deep, async () => {
  const { url } = await databaseOf('refused')
  const wrong = new URL(url)
  wrong.password = 'wrong'
  const cases: [Record<string, string>, string[], string, RegExp][] = [
    [{}, [], '{}', /serve needs a database: set DATABASE_URL/],
    [{ DATABASE_URL: 'nowhere' }, [], '{}', /DATABASE_URL cannot be used: it does not start with postgres:/],
    [{ DATABASE_URL: wrong.href }, [], '{}', /password authentication failed/],
    [{ DATABASE_URL: `${url}_too` }, [], '{}', /database ".*" does not exist/],
    [{ DATABASE_URL: `${url}?sslmode=require` }, [], '{}', /The server does not support TLS/],
    [{ DATABASE_URL: superuser() }, [], '{}', /superuser/],
    [{ DATABASE_URL: url }, [], '{ serve: { tracing: true } }', /serve\.tracing: unknown field/],
  ]
  for (const [env, args, config, message] of cases) {
    const copy = await serve(env, args, config)
    expect(await copy.exit).not.toBe(0)
    expect(copy.printed()).toMatch(message)
    expect(copy.printed()).not.toMatch(/^ +at /m)
  }
})

test('a database that is away at the start is waited for, with one line', async () => {
  const copy = await serve({ DATABASE_URL: `postgres://app:secret@127.0.0.1:${await findFreePort()}/app` })
  await copy.says(/^waits for the database/)
  copy.process.kill('SIGTERM')
  expect(await copy.exit).toBe(0)
  expect(copy.lines.filter(({ message }) => message.startsWith('waits'))).toHaveLength(1)
  // By which signal it stops, and last that it ends.
  const stops = {
    message: 'stops',
    signal: 'SIGTERM',
    sentBy: expect.stringMatching(/systemd.*kill/),
    parentPid: process.pid,
  }
  expect(copy.lines).toContainEqual(expect.objectContaining(stops))
  expect(copy.printed().trim().split('\n').at(-1)).toMatch(/"message":"ends".*"signal":"SIGTERM","exit":0/)
})
