import { beforeEach, expect, test } from 'vitest'
import { routes } from '../../../src/api/routes.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { listActions, listViews } from '../../../src/watch/read-views.ts'
import { servedOn } from '../../support/api/served.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'

// Pauses that end by themselves, and those that somebody has forgotten.

const { sql, database } = useDatabase()

const pause = (until?: Date) => pauseView(database, 'sales', true, 'test', until)
const list = () => listViews(database, unscheduled, 'local')
const sales = async () => {
  const { view, paused, pausedUntil } = (await list()).views[0]!
  return { view, paused, pausedUntil }
}
const look = () => monitor(database, { schedules: unscheduled, publish: unheard })
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000)

beforeEach(async () => {
  await sql.unsafe('drop materialized view if exists sales; create materialized view sales as select 1 as id')
  await deleteRows(sql, 'switches', { key: ['paused', 'pause ends'] })
  await deleteRows(sql, 'definitions')
})

test('a pause of a view ends at its moment: a look of the monitor ends it, and the end is on record', async () => {
  const until = inHours(1)
  await pause(until)
  await look()
  expect(await sales()).toEqual({ view: 'public.sales', paused: true, pausedUntil: until })
  await pause(inHours(-1))
  await look()
  expect(await sales()).toEqual({ view: 'public.sales', paused: false, pausedUntil: null })
  const { actions } = await listActions(database, { limit: 1 })
  expect(actions).toMatchObject([
    { action: 'resume', requestedBy: 'the end of the pause', views: ['public.sales'] },
  ])
})

test('who pauses again gives the pause another end, or none; a resume forgets the end', async () => {
  await pause(inHours(1))
  const later = inHours(2)
  await pause(later)
  expect(await sales()).toMatchObject({ pausedUntil: later })
  await pause()
  expect(await sales()).toMatchObject({ paused: true, pausedUntil: null })
  await pause(later)
  await pauseView(database, 'sales', false, 'test')
  await pause()
  expect(await sales()).toMatchObject({ paused: true, pausedUntil: null })
})

test('a pause of everything ends at its moment, too', async () => {
  const until = inHours(1)
  await pauseAll(database, true, 'test', until)
  await look()
  expect((await list()).paused).toMatchObject({ until })
  await pauseAll(database, true, 'test', inHours(-1))
  await look()
  expect((await list()).paused).toBeNull()
})

test('a moment that is over, and what is none, is refused', async () => {
  const { answer, takes } = routes.pauseView
  const over = answer(servedOn(database), { view: 'sales', until: '2020-01-01T00:00:00Z' }, callOn(database))
  await expect(over).rejects.toMatchObject({ code: 'InvalidRequest', details: { field: 'until' } })
  expect(takes!.body!.safeParse({ until: 'tomorrow' }).success).toBe(false)
})

test('a pause of a week without an end is said everywhere, until it has one', async () => {
  await pause()
  await look()
  await updateRows(sql, 'definitions', {}, { pausedAt: inHours(-8 * 24) })
  const lines = async () => (await list()).silence.lines
  expect(await lines()).toEqual([
    {
      text: 'paused for a week or longer, without an end: public.sales. Resume them, or say until when',
      next: 'viewkeeper pause public.sales --for 3d --env local',
    },
  ])
  await pause(inHours(1))
  expect(await lines()).toEqual([])
})
