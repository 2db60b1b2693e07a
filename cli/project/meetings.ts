import type { Definition } from '../../src/catalog/plan/definition.ts'
import { everyDay } from '../../src/catalog/plan/scheduled.ts'
import { meetsNightly } from '../../src/due/schedules.ts'
import { displayName } from '../../src/sql/names.ts'
import { readConfig } from './config.ts'

interface Scheduling {
  schedules?: { nightly: { at: string; timeZone: string } | false; views: boolean }
}

/** Says which of these views a schedule of their own refreshes at the moment of an environment's batch of every view. */
export async function readMeetings(definitions: Definition[]): Promise<string[]> {
  const environments = Object.entries((await readConfig()).environments as Record<string, Scheduling>)
  return definitions.flatMap(({ schedule, timeZone, inAll, ...name }) =>
    environments.flatMap(([environment, { schedules }]) =>
      schedule !== null &&
      timeZone !== null &&
      inAll &&
      schedules?.views &&
      schedules.nightly !== false &&
      meetsNightly({ schedule, timeZone }, everyDay(schedules.nightly), new Date())
        ? [
            `${displayName(name)}: its schedule ${schedule} ${timeZone} meets the batch of every view of ${environment} at ${schedules.nightly.at} ${schedules.nightly.timeZone}: the second batch waits for what the first builds. Write inAll: false, or another time, to refresh it once`,
          ]
        : [],
    ),
  )
}
