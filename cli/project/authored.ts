import { inOrder, type Located, loadViews } from '../../src/authored/load.ts'
import { notValid } from '../../src/authored/view-report.ts'
import type { Definition } from '../../src/catalog/plan/definition.ts'
import { tooShort } from '../../src/due/plan/lags.ts'
import { meetsNightly, tooRare } from '../../src/due/schedules.ts'
import { schedulesOf } from '../../src/keeper/terms.ts'
import { quoteName } from '../../src/sql/names.ts'
import { displayName } from '../../src/words/names.ts'
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

/** What the schedules make of these views: two refreshes at one moment, a limit that is not kept. */
export async function readScheduleWarnings(definitions: Definition[]): Promise<string[]> {
  const { schedules: told = {}, monitorEveryMinutes = 1 } = (await readConfig()).serve
  const schedules = schedulesOf(told)
  const { nightly } = schedules
  return definitions.flatMap((definition) => {
    const { schedule, timeZone, inAll, maxStalenessSeconds } = definition
    const meets =
      schedule !== null &&
      timeZone !== null &&
      inAll &&
      schedules.views &&
      nightly !== null &&
      meetsNightly({ schedule, timeZone }, nightly, new Date())
    const rare = tooRare(definition, maxStalenessSeconds && maxStalenessSeconds * 1000, schedules)
    return [
      meets &&
        `its schedule ${schedule} ${timeZone} meets the batch of every view (${nightly.schedule} ${nightly.timeZone}): the second batch waits for what the first builds. Write inAll: false, or another time, to refresh it once`,
      monitorEveryMinutes !== false && tooShort(definition, monitorEveryMinutes * 60),
      rare && `${rare}. Write a schedule or a targetLagSeconds that keeps it`,
    ].flatMap((text) => (text ? [`${displayName(definition)}: ${text}`] : []))
  })
}
