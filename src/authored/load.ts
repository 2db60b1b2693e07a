import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importProblem, relativePath, withImports } from '../loading/import-files.ts'
import { type AuthoredView, isAuthoredView } from './define-view.ts'
import { checkViews, type Located } from './validate.ts'
import type { ViewProblem } from './view-report.ts'

export type { Located, ViewProblem }

/**
 * Reads the views of a folder and its subfolders: imports each `.ts` file, sorted by path, except
 * declarations and tests, and takes every view that the file exports. A missing folder has no views. Returns
 * the definitions of the views without problems, and all problems by file and line. Each file is read only
 * once in the life of the process.
 */
export async function loadViews(folder: URL): Promise<{ definitions: Located[]; problems: ViewProblem[] }> {
  const views = new Set<AuthoredView>()
  const problems: ViewProblem[] = []
  await withImports(async (importFile) => {
    for (const path of await viewFiles(fileURLToPath(folder))) {
      try {
        const exported = viewsIn(Object.values(await importFile(path)))
        for (const view of exported) views.add(view)
        if (exported.length === 0) problems.push(noView(path))
      } catch (error) {
        problems.push({ ...importProblem(path, error), view: null, field: null })
      }
    }
  })
  const checked = await checkViews([...views])
  return {
    definitions: checked.definitions,
    problems: [...problems, ...checked.problems].sort(
      (a, b) => Number(a.file > b.file) - Number(a.file < b.file) || a.line - b.line,
    ),
  }
}

async function viewFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .filter((entry) => entry.isFile() && /(?<!\.d|\.test)\.ts$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
}

const viewsIn = (values: unknown[]): AuthoredView[] => values.flat(Infinity).filter(isAuthoredView)

const noView = (path: string): ViewProblem => ({
  file: relativePath(path),
  line: 1,
  view: null,
  field: null,
  message: 'exports no view: write "export default defineView({ … })", or move the file elsewhere',
})
