import { expect, onTestFinished, test } from 'vitest'
import { askEveryMs, type CopyStanding, type Leader, leadInTurn } from '../../../src/keeper/lead.ts'
import type { Database } from '../../../src/server/database.ts'
import { writeSwitch } from '../../support/record/rows.ts'
import { administrator, useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { sql, database, url } = useDatabase()

/** A copy that leads in turn with others, until the test ends. `pid` is the process of the server that it leads with. */
function copyOf(on: Database = database) {
  const stop = new AbortController()
  const copy = { standing: undefined as CopyStanding | undefined, pid: 0, led: 0, stop: () => stop.abort() }
  const done = leadInTurn(on, {
    obeys: 'the same',
    signal: stop.signal,
    onStanding(standing) {
      copy.standing = standing
    },
    async work(leader: Leader) {
      copy.led++
      const [row] = await leader.ask((asked) => asked<[{ pid: number }]>`select pg_backend_pid() as pid`)
      copy.pid = row.pid
      while (!leader.signal.aborted) await leader.ask((asked) => asked`select pg_sleep(0.1)`)
      return 0
    },
  })
  onTestFinished(async () => {
    stop.abort()
    await done
  })
  return copy
}

const leads = (copy: ReturnType<typeof copyOf>) => until('the copy leads', async () => copy.pid > 0)

test('one copy leads, before and after the leader stops', async () => {
  const [first, second] = [copyOf(), copyOf()]
  const [leader, other] = await until('one copy leads', async () => {
    const all = [first, second].toSorted((one, two) => two.pid - one.pid)
    return all[0]!.pid > 0 && all[1]!.standing === 'follows' && all
  })
  const third = copyOf()
  await until('the third copy follows', async () => third.standing === 'follows')
  expect([leader!.led, other!.led, third.led]).toEqual([1, 0, 0])
  const since = performance.now()
  leader!.stop()
  await until('another copy leads', async () => other!.led + third.led === 1)
  expect(performance.now() - since).toBeLessThan(15_000)
})

test('within 15 s after the last word of a leader the server has ended its session, and another copy has asked', async () => {
  const settings: Record<string, string>[] = []
  await leads(
    copyOf({
      ...database,
      open(startUp) {
        settings.push(startUp)
        return database.open(startUp)
      },
    }),
  )
  const [{ idle_session_timeout: silence, statement_timeout: answer } = {}] = settings
  expect(Number(silence) + askEveryMs + Number(answer)).toBeLessThanOrEqual(15_000)
})

test('a leader whose session is ended is followed by one copy', async () => {
  const copies = [copyOf(), copyOf(), copyOf()]
  const leader = await until('one copy leads', async () => copies.find(({ pid }) => pid > 0))
  await sql`select pg_terminate_backend(${leader.pid})`
  await until('one copy leads again', async () => copies.reduce((sum, { led }) => sum + led, 0) === 2)
  const leading = await sql`
    select from viewkeeper.switches s join pg_stat_activity a on a.pid = (s.value ->> 'pid')::integer
     where s.key = 'leader' and a.application_name = 'viewkeeper leading'`
  expect(leading).toHaveLength(1)
})

test('nobody follows a session of another database', async () => {
  const elsewhere = administrator(url.replace(/\/t_\w+$/, '/postgres'))
  onTestFinished(() => elsewhere.end({ timeout: 1 }))
  const [session] = await elsewhere`
    select 'the same' as obeys, a.pid, current_user as role, a.backend_start::text as since from pg_stat_get_activity(pg_backend_pid()) a`
  await writeSwitch(sql, 'leader', session)
  await leads(copyOf())
})
