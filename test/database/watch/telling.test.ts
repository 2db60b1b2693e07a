import { beforeEach, describe, expect, test } from 'vitest'
import { handler as monitorHandler } from '../../../functions/monitor.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import type { Database } from '../../../src/server/database.ts'
import { monitor, type Publisher } from '../../../src/watch/monitor.ts'
import { pauseAll, quiet } from '../../../src/watch/pause.ts'
import { type Telling, usualTelling } from '../../../src/watch/plan/hearers.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { age } from '../../support/record/past.ts'
import { emptyTables, updateRows } from '../../support/record/rows.ts'
import { passTime } from '../../support/views/pass.ts'
import { between } from '../../support/waiting/between.ts'
import { until } from '../../support/waiting/until.ts'
import { useHistory, usePublished } from './past.ts'

const { url, database, sql, clear, writePast, expectForLong } = useHistory()
const { lines, published } = usePublished(url)

/** What one look publishes: how many views are stale, and of which of them people are told. */
async function look(telling: Telling = usualTelling, from: Database = database) {
  const published = { stale: 0, told: [] as string[] }
  const incidents: Publisher['incidents'] = (kind, found, told) => {
    if (kind !== 'stale') return
    published.stale = found.length
    published.told = told.map((name) => name.replace('public.', ''))
  }
  const people = { environment: 'test', typed: 'test', links: {} }
  await monitor(from, { schedules: unscheduled, publish: { ...unheard, incidents }, telling, people })
  return published
}

const pass = (time: string) => passTime(sql, time)

const refreshed = (view: string) => writePast([{ view, ago: '1 minutes' }])
const becomesStale = (view: string) => age(sql, '2 hours', view)

/** Both views may be an hour old, and were refreshed just now. */
beforeEach(async () => {
  await clear()
  await emptyTables(sql, 'incidents')
  await updateRows(sql, 'definitions', { name: ['steady', 'shaky'] }, { maxStalenessSeconds: 3600 })
  await expectForLong('steady', 'shaky')
  await refreshed('steady')
  await refreshed('shaky')
})

/**
 * What happens, in words, and what is told: a view becomes stale (`-steady`) or fresh again (`+steady`), time passes, and a look
 * counts so many stale views and tells of these (`2: shaky`).
 */
eachCase(
  [
    [
      'one view becomes stale: it is told once, and counted at every look',
      '0:, -steady, 1: steady, 10 minutes, 1:',
    ],
    ['a second one a few minutes later is told, too', '-steady, 1: steady, 6 minutes, -shaky, 2: shaky'],
    ['a second one a minute later is told at the next look', '-steady, 1: steady, -shaky, 2: shaky'],
    [
      'one is fresh again, and another becomes stale: it is told at once',
      '-steady, 1: steady, +steady, -shaky, 1: shaky',
    ],
    [
      'both are fresh again: none is counted or told',
      '-steady, -shaky, 2: steady shaky, 10 minutes, +steady, +shaky, 0:',
    ],
    [
      'one becomes stale a second time: it is told again',
      '-steady, 1: steady, 10 minutes, +steady, 0:, 5 minutes, -steady, 1: steady',
    ],
    [
      'one stays stale: it is told anew each day',
      '-steady, 1: steady, 23 hours, 1:, 1 hours, 1: steady, 23 hours, 1:, 1 hours, 1: steady',
    ],
    [
      'a reminder is of every stale view, so that there is one mail a day',
      '-steady, 1: steady, 20 hours, -shaky, 2: shaky, 4 hours, 2: steady shaky, 20 hours, 2:',
    ],
  ],
  { quick: 3 },
)('%s (%s)', async (_, story) => {
  for (const step of story.split(', ')) {
    const [word = '', ...views] = step.split(' ')
    if (word.startsWith('-')) await becomesStale(word.slice(1))
    else if (word.startsWith('+')) await refreshed(word.slice(1))
    else if (!word.endsWith(':')) await pass(step)
    else expect(await look(), step).toEqual({ stale: Number.parseInt(word, 10), told: views })
  }
})

test('until a pause ends that has an end, nobody is told; limits count from its end, and what is wrong then is told', async () => {
  await pauseAll(database, true, 'ann', new Date(Date.now() + 3600_000))
  await becomesStale('steady')
  expect(await look()).toEqual({ stale: 0, told: [] })
  await pauseAll(database, true, 'ann', new Date(Date.now() - 1000))
  expect(await look(), 'its end').toEqual({ stale: 0, told: [] })
  await expectForLong('steady')
  expect(await look()).toEqual({ stale: 1, told: ['steady'] })
})

test('within a window that somebody has opened nobody is told, and at its end what is still wrong; another window replaces it', async () => {
  const inHours = (hours: number) => new Date(Date.now() + hours * 3600_000)
  await becomesStale('steady')
  await writePast([{ view: 'shaky', ago: '1 minutes', status: 'failed' }])
  const told = async () => (await look()).told
  expect(await quiet(database, null, inHours(1), 'ann')).toMatchObject({ until: expect.any(Date), by: 'ann' })
  expect(await told()).toEqual([])
  expect(await sql`select 1 from viewkeeper.incidents where told_at is not null`).toEqual([])
  await quiet(database, inHours(-2), inHours(-1), 'ann')
  await expectForLong('steady')
  expect(await told()).toEqual(['steady'])
  expect(await sql`select subject from viewkeeper.incidents where told_at is not null order by 1`).toEqual([
    { subject: 'public.shaky' },
    { subject: 'public.steady' },
  ])
})

test('a window to come keeps nobody from being told before; who ends it is on record', async () => {
  const inHours = (hours: number) => new Date(Date.now() + hours * 3600_000)
  await quiet(database, inHours(1), inHours(2), 'ann')
  await becomesStale('steady')
  expect((await look()).told).toEqual(['steady'])
  expect(await quiet(database, null, null, 'ben')).toBeNull()
  expect(
    await sql`select requested_by from viewkeeper.actions where action = 'quiet' order by id desc limit 2`,
  ).toEqual([{ requested_by: 'ben' }, { requested_by: 'ann' }])
})

test('in quiet hours nobody is told of a view that fails, and after them of one that still does', async () => {
  const time = (hours: number) => new Date(Date.now() + hours * 3600_000).toISOString().slice(11, 16)
  const hours = { from: time(-1), to: time(1), timeZone: 'Etc/UTC', days: ['*'] }
  await becomesStale('steady')
  await writePast([{ view: 'shaky', ago: '1 minutes', status: 'failed' }])
  expect(await look({ ...usualTelling, quiet: hours })).toEqual({ stale: 0, told: [] })
  expect(await sql`select subject, told_at from viewkeeper.incidents`).toEqual([
    { subject: 'public.shaky', told_at: null },
  ])
  await look()
  expect(await sql`select subject from viewkeeper.incidents where told_at is not null`).toEqual([
    { subject: 'public.shaky' },
  ])
})

test('without reminders a view is told once, however long it stays stale', async () => {
  await becomesStale('steady')
  await look({ ...usualTelling, remindSeconds: null })
  await pass('30 days')
  expect(await look({ ...usualTelling, remindSeconds: null })).toEqual({ stale: 1, told: [] })
})

test('a look that tells nothing writes nothing', async () => {
  await becomesStale('steady')
  await look()
  const versions = () => sql`select subject, xmin::text from viewkeeper.incidents`
  const before = await versions()
  await pass('10 minutes')
  const after = await versions()
  expect(after).not.toEqual(before)
  await look()
  expect(await versions()).toEqual(after)
})

describe('of two monitors at once', () => {
  const untilSomebodyWaits = () =>
    until('a monitor waits for another one', async () => {
      const rows = await sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return rows.length
    })

  /** Looks, and before each statement has another monitor look, until that is done or waits for this one. */
  async function lookTogether() {
    const others: string[] = []
    let inside = false
    let other: Promise<unknown> = Promise.resolve()
    const lookToo = async () => {
      inside = true
      others.push(...(await look()).told)
      inside = false
    }
    const one = await look(
      usualTelling,
      between(database, async () => {
        if (inside) return
        other = Promise.all([other, lookToo()])
        await Promise.race([other, untilSomebodyWaits()])
      }),
    )
    await other
    return [...one.told, ...others].sort()
  }

  test('one tells of a view that became stale', deep, async () => {
    await becomesStale('steady')
    expect(await lookTogether()).toEqual(['steady'])
  })

  test('one reminds', deep, async () => {
    await becomesStale('steady')
    await look()
    await pass('25 hours')
    expect(await lookTogether()).toEqual(['steady'])
  })
})

describe('the metrics and the log', () => {
  const lookAsFunction = () => monitorHandler({}, lambdaContext())

  test('say how many views are stale and how many of them are told, and name these', async () => {
    await becomesStale('steady')
    await lookAsFunction()
    await pass('6 minutes')
    await becomesStale('shaky')
    await lookAsFunction()
    await lookAsFunction()
    expect(published('ViewsStale')).toEqual([1, 2, 2])
    const told = lines.filter(({ message }) => message === 'views are stale').map((line) => line.told)
    expect(told).toEqual([['public.steady'], ['public.shaky'], undefined])
  })

  test('the function is told how often to remind, and never if that is empty', async () => {
    await becomesStale('steady')
    const remindedAfter = async (time: string) => {
      await pass(time)
      lines.length = 0
      await lookAsFunction()
      return lines.some(({ message, told }) => message === 'views are stale' && told !== undefined)
    }
    await lookAsFunction()
    process.env.REMIND_EVERY_HOURS = '2'
    expect([await remindedAfter('110 minutes'), await remindedAfter('11 minutes')]).toEqual([false, true])
    process.env.REMIND_EVERY_HOURS = 'false'
    expect(await remindedAfter('30 days')).toBe(false)
    delete process.env.REMIND_EVERY_HOURS
    process.env.MONITOR_EVERY_MINUTES = String(40 * 24 * 60)
    expect(await remindedAfter('1 days')).toBe(false)
    delete process.env.MONITOR_EVERY_MINUTES
    expect(await remindedAfter('1 minutes')).toBe(true)
  })
})
