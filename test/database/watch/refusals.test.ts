import { expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { isUnnoticedFailure } from '../../../src/record/plan/batch.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { callOn } from '../../support/servers/database.ts'
import { useHistory } from './past.ts'

const { database } = useHistory()

/** Whether each run that has ended since the last look has failed unnoticed. */
async function look(): Promise<boolean[]> {
  const unnoticed: boolean[] = []
  const runs = (ended: Parameters<typeof isUnnoticedFailure>[0][]) =>
    void unnoticed.push(...ended.map(isUnnoticedFailure))
  await monitor(database, { schedules: unscheduled, publish: { ...unheard, runs } })
  return unnoticed
}

test('a run that was refused before it started fails unnoticed only if nobody got the answer', async () => {
  const refused = { view: 'steady', strategy: 'concurrent' } as const
  expect((await refresh(refused, callOn(database))).error?.class).toBe('UniqueIndexRequired')
  await refresh(refused, callOn(database, { trigger: 'cli' }))
  expect(await look()).toEqual([false, false])
  await refresh(refused, callOn(database, { trigger: 'schedule' }))
  expect(await look()).toEqual([true])
})
