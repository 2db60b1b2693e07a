import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startSchedules } from '../../../src/keeper/schedules.ts'
import { portOf } from '../../../serve/process/options.ts'
import { announceGateway, findGateway, localGateway } from '../../../serve/start/gateway-file.ts'
import type { ScheduledView } from '../../../src/catalog/plan/scheduled.ts'
import { until } from '../../support/waiting/until.ts'

test('commands of a folder find the gateway that runs on it, whatever PORT says, and no dead one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-'))
  const env = { DATA_DIR: folder, PORT: '3000' }
  expect(localGateway(env)).toBe('http://127.0.0.1:3000')
  const forget = announceGateway(folder, 'http://127.0.0.1:8791')
  expect(localGateway(env)).toBe('http://127.0.0.1:8791')
  await forget()
  expect(findGateway(folder)).toBeUndefined()
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify({ pid: 2 ** 30, url: 'http://127.0.0.1:1' }))
  expect(localGateway({ DATA_DIR: folder })).toBe('http://127.0.0.1:8787')
})

test('a PORT that is no port is refused in words', () => {
  expect(() => portOf({ PORT: 'abc' })).toThrow('PORT is abc: it must be a number from 1 to 65535')
  expect(portOf({ PORT: '' })).toBeUndefined()
})

test('the schedule of views that are migrated while schedules run is at work, as one batch, and ends with them', async () => {
  let views: ScheduledView[] = []
  const began: { scheduledTime: string }[] = []
  const stop = startSchedules(
    async (event) => {
      began.push(event as { scheduledTime: string })
    },
    async () => views,
  )
  onTestFinished(stop)
  const times = { schedule: '* * * * * *', timeZone: 'UTC' }
  views = [
    { view: 'sales', ...times },
    { view: 'orders', ...times },
  ]
  const turns = () => new Set(began.map(({ scheduledTime }) => scheduledTime)).size
  await until('the schedule is at work', async () => turns() > 1)
  const [first] = began
  expect(first).toEqual({
    trigger: 'schedule',
    schedule: '* * * * * * UTC',
    scheduledTime: expect.any(String),
    scheduled: times,
  })
  expect(began.filter(({ scheduledTime }) => scheduledTime === first?.scheduledTime)).toHaveLength(1)
  await stop()
})
