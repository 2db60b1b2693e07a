import type { IndexDefinition } from '../catalog/plan/definition.ts'
import { keyIndex, toIndex } from './normalize.ts'
import { readIndex } from './sql/read.ts'
import type { ViewReport } from './view-report.ts'
import { type IndexFields, indexSchema, type ViewFields } from './view-schema.ts'

/** A sound index of a view, and the field that it comes from. */
export interface SoundIndex {
  definition: IndexDefinition
  path: PropertyKey[]
  /** Whether `refresh … concurrently` can use the index. */
  usable: boolean
}

/** The sound indexes of a view, the index of its key first. The problems of the others are reported. */
export async function indexesOf(
  view: string,
  { uniqueKey, indexes = [] }: Partial<ViewFields>,
  report: ViewReport,
): Promise<SoundIndex[]> {
  const sound: SoundIndex[] =
    uniqueKey === undefined
      ? []
      : [{ definition: keyIndex(view, uniqueKey), path: ['uniqueKey'], usable: true }]
  for (const [at, each] of indexes.entries()) {
    const path = ['indexes', at]
    const fields = report.read(indexSchema, each, path)
    if (fields === null || !isWhole(fields, path, report)) continue
    const definition = toIndex(view, fields)
    const { fault, plainColumns } = await readIndex(definition.on)
    if (fault === null) {
      sound.push({ definition, path, usable: definition.unique === true && plainColumns })
    } else {
      report.add([...path, fields.on === undefined ? 'where' : 'on'], fault)
    }
  }
  return sound
}

/** Whether the fields go together. */
function isWhole(fields: IndexFields, path: PropertyKey[], report: ViewReport): boolean {
  const before = report.problems.length
  if (fields.on === undefined) {
    if (fields.columns === undefined) report.add(path, 'needs "columns" or "on"')
  } else {
    for (const field of ['columns', 'using', 'where', 'include'] as const) {
      if (fields[field] !== undefined)
        report.add([...path, field], 'cannot be combined with "on": leave out one of the two')
    }
    if (fields.name === undefined)
      report.add([...path, 'name'], 'is missing: an index with "on" needs a name')
  }
  return report.problems.length === before
}
