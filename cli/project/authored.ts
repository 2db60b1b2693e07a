import { type Located, loadViews } from '../../src/authored/load.ts'
import { inOrder } from '../../src/authored/reads.ts'
import { notValid } from '../../src/authored/view-report.ts'
import type { Definition } from '../../src/catalog/plan/definition.ts'
import { quoteName } from '../../src/sql/names.ts'
import { readFolders, shownPath } from './config.ts'

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
