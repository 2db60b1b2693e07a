import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Definition } from '../catalog/plan/definition.ts'
import { inDependencyOrder } from '../catalog/plan/graph.ts'
import { importProblem, relativePath, withImports } from '../loading/import-files.ts'
import { quoteName } from '../sql/names.ts'
import { parseName, type QualifiedName } from '../words/names.ts'
import { type AuthoredView, isAuthoredView } from './define-view.ts'
import { readsOf } from './sql/read.ts'
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

/** The views to remove, sorted: a view that reads another one comes first. */
export async function inRemovalOrder(
  removes: QualifiedName[],
  frozen: Map<string, Definition>,
): Promise<QualifiedName[]> {
  const definitions = new Map(
    removes.flatMap((view) => {
      const definition = frozen.get(quoteName(view))
      return definition === undefined ? [] : [[quoteName(view), definition] as const]
    }),
  )
  const order = await inOrder(definitions)
  return removes.toSorted((a, b) => order.indexOf(quoteName(b)) - order.indexOf(quoteName(a)))
}

/** The names of the views to remove that none of the remaining frozen views reads. */
export async function unread(
  removes: QualifiedName[],
  frozen: Map<string, Definition>,
): Promise<Set<string>> {
  const gone = new Set(removes.map(quoteName))
  const reads = await readsAmong(frozen)
  const read = new Set([...reads].flatMap(([name, others]) => (gone.has(name) ? [] : others)))
  return new Set([...gone].filter((name) => !read.has(name)))
}

/**
 * Which views each view reads or has read: by the authored definitions, by the frozen ones, and by the database (`reading`).
 */
export async function readsNowAndBefore(
  authored: Definition[],
  frozen: Map<string, Definition>,
  reading: Map<string, string[]>,
): Promise<Map<string, string[]>> {
  const definitions = new Map(authored.map((definition) => [quoteName(definition), definition]))
  const known = [await readsAmong(definitions), await readsAmong(frozen), reading]
  const views = new Set(known.flatMap((reads) => [...reads.keys()]))
  return new Map([...views].map((view) => [view, known.flatMap((reads) => reads.get(view) ?? [])]))
}

/** The names of definitions, each after those that it reads. */
export const inOrder = async (definitions: Map<string, Definition>): Promise<string[]> =>
  inDependencyOrder(await readsAmong(definitions))

/** Which of these definitions each of them reads. */
async function readsAmong(definitions: Map<string, Definition>): Promise<Map<string, string[]>> {
  const reads = new Map<string, string[]>()
  for (const [name, { schema, sql, dependsOn }] of definitions) {
    // A name without a schema is taken for one in the schema of the view. If that is wrong, the order is only
    // stricter.
    const named = (await readsOf(sql)).map((read) =>
      quoteName({ schema: read.schema ?? schema, name: read.name }),
    )
    const others = dependsOn.map((view) => quoteName(parseName(view, 'dependsOn')))
    reads.set(
      name,
      [...named, ...others].filter((read) => read !== name && definitions.has(read)),
    )
  }
  return reads
}
