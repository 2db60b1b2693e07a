import { type Located, loadViews, type ViewProblem } from '../../src/authoring/load.ts'
import { canonicalSql, readsOf } from '../../src/authoring/sql.ts'
import { parseName, type QualifiedName, quoteName } from '../../src/plan/names.ts'
import type { Definition } from '../../src/plan/views/definition.ts'
import { inDependencyOrder } from '../../src/plan/views/graph.ts'
import { Problem } from '../../src/problem.ts'
import { readFolders, shownPath } from './folders.ts'

/**
 * The definitions in the folder of views, each after those that it reads. One refusal lists all problems of all files.
 */
export const readAuthored = async (): Promise<Definition[]> =>
  (await readLocated()).map(({ definition }) => definition)

/** The same, each with its file and line. */
export async function readLocated(): Promise<Located[]> {
  const { views: folder } = await readFolders()
  const { definitions: located, problems } = await loadViews(folder)
  if (problems.length > 0) throw notValid(folder, problems)
  const views = new Map(located.map((each) => [quoteName(each.definition), each]))
  const definitions = new Map(located.map(({ definition }) => [quoteName(definition), definition]))
  return (await inOrder(definitions)).map((name) => views.get(name) as Located)
}

/** The refusal of a folder of views that lists these problems. */
export function notValid(folder: URL, problems: Omit<ViewProblem, 'view'>[]): Problem {
  const lines = problems.map(
    ({ file, line, field, message }) => `  ${file}:${line}  ${field === null ? '' : `${field}: `}${message}`,
  )
  return new Problem('InvalidRequest', [`${shownPath(folder)} is not valid:`, ...lines].join('\n'))
}

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
const inOrder = async (definitions: Map<string, Definition>): Promise<string[]> =>
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

/**
 * A function that gives the canonical text of a query. Queries that differ only in their formatting have the
 * same canonical text.
 */
export async function canonicalOf(queries: string[]): Promise<(sql: string) => string> {
  const known = new Map<string, string>()
  for (const sql of queries) known.set(sql, await canonicalSql(sql).catch(() => sql))
  return (sql) => known.get(sql) ?? sql
}
