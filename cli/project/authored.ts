import { inOrder, type Located, loadViews } from '../../src/authored/load.ts'
import { notValid } from '../../src/authored/view-report.ts'
import type { Definition } from '../../src/catalog/plan/definition.ts'
import { everyDay } from '../../src/catalog/plan/scheduled.ts'
import { defaults } from '../../src/config/options.ts'
import { meetsNightly } from '../../src/due/schedules.ts'
import { displayName, quoteName } from '../../src/sql/names.ts'
import { readConfig, readFolders, shownPath } from './folders.ts'

/**
 * The definitions in the folder of views, each after those that it reads. One refusal lists all problems of all files.
 */
export const readAuthored = async (): Promise<Definition[]> =>
  (await readLocated()).map(({ definition }) => definition)

/** The same, each with its file and line. */
export async function readLocated(): Promise<Located[]> {
  const { views: folder } = await readFolders()
  const { definitions: located, problems } = await loadViews(folder)
  if (problems.length > 0) throw notValid(shownPath(folder), problems)
  const views = new Map(located.map((each) => [quoteName(each.definition), each]))
  const definitions = new Map(located.map(({ definition }) => [quoteName(definition), definition]))
  return (await inOrder(definitions)).map((name) => views.get(name) as Located)
}

/** Says which of these views a schedule of their own refreshes at the moment of the batch of every view. */
export async function readMeetings(definitions: Definition[]): Promise<string[]> {
  const { schedules: said = {} } = (await readConfig()).serve
  const { views, nightly } =
    said === false ? { views: false, nightly: false as const } : { ...defaults.schedules, ...said }
  if (!views || nightly === false) return []
  const { at, timeZone: zone } = { ...defaults.schedules.nightly, ...nightly }
  return definitions.flatMap(({ schedule, timeZone, inAll, ...name }) =>
    schedule !== null &&
    timeZone !== null &&
    inAll &&
    meetsNightly({ schedule, timeZone }, everyDay({ at, timeZone: zone }), new Date())
      ? [
          `${displayName(name)}: its schedule ${schedule} ${timeZone} meets the batch of every view at ${at} ${zone}: the second batch waits for what the first builds. Write inAll: false, or another time, to refresh it once`,
        ]
      : [],
  )
}
