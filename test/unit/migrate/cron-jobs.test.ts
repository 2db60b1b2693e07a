import { expect, test } from 'vitest'
import { scheduleFault } from '../../../src/authored/schedule.ts'
import { sayCronJobs } from '../../../src/migrate/authoring/cron-jobs.ts'

const said = (schedule: string, zone: string | null) =>
  sayCronJobs({
    jobs: [
      {
        jobid: 1,
        schedule,
        command: 'refresh materialized view app.sales',
        database: 'shop',
        username: 'anna',
        active: true,
      },
    ],
    views: [{ schema: 'app', name: 'sales' }],
    here: { database: 'shop', login: 'anna', zone },
    restricted: false,
  }).then((lines) => lines[1]?.trim())

test.each([
  ['0 3 * * *', 'Europe/Berlin', `schedule: '0 3 * * *', timeZone: 'Europe/Berlin'`],
  ['@weekly', 'UTC', `schedule: '0 0 * * 0', timeZone: 'UTC'`],
  [' 5,10-20/5\t3 * * 1-5 ', 'UTC', `schedule: '5,10-20/5 3 * * 1-5', timeZone: 'UTC'`],
])('the schedule %j of pg_cron in %s is proposed', async (schedule, zone, proposed) => {
  expect(await said(schedule, zone)).toBe(proposed)
  expect(scheduleFault(/'([^']+)'/.exec(proposed)?.[1] as string)).toBeNull()
})

test.each([
  ['@reboot', 'UTC'],
  ['0 0 $ * *', 'UTC'],
  ['0 0 31 2 *', 'UTC'],
  ['0 0 13 * 5', 'UTC'],
  ['1,5/15 * * * *', 'UTC'],
  ['0 0 * jan/2 *', 'UTC'],
  ['0 3 * * *', 'Mars/Base'],
  ['10 seconds', 'UTC'],
  ['1 second', 'UTC'],
])('for the schedule %j of pg_cron in %s no schedule is proposed', async (schedule, zone) => {
  expect(await said(schedule, zone)).toMatch(/^no schedule is /)
})

test('a zone that nobody may read is a doubt', async () => {
  expect(await said('0 3 * * *', null)).toMatch(/timeZone: 'UTC' {3}\/\/ if cron\.timezone is GMT/)
})
