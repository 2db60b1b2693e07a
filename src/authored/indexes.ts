import type { IndexDefinition } from '../catalog/plan/definition.ts'
import { quoteIdentifier } from '../sql/names.ts'
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

/** The unique index of a view's key. */
const keyIndex = (view: string, uniqueKey: readonly string[]): IndexDefinition => ({
  name: objectName(view, null, 'key'),
  unique: true,
  on: columnList(uniqueKey),
})

/** An index in the words of `create index`. Without a name it gets the one that PostgreSQL would choose. */
function toIndex(view: string, index: IndexFields): IndexDefinition {
  const { columns = [], include = [], using, where } = index
  const name = index.name ?? objectName(view, [...columns, ...include].join('_'), 'idx')
  const words = [
    ...(using === undefined ? [] : [`using ${using}`]),
    columnList(columns),
    ...(include.length === 0 ? [] : [`include ${columnList(include)}`]),
    ...(where === undefined ? [] : [`where ${where.trim()}`]),
  ]
  return { name, unique: index.unique ?? false, on: index.on?.trim() ?? words.join(' ') }
}

const columnList = (columns: readonly string[]): string => `(${columns.map(quoteIdentifier).join(', ')})`

const maxBytes = 63

/** Makes a name as PostgreSQL does: cuts the longer of the two parts until the whole fits. */
function objectName(view: string, middle: string | null, label: string): string {
  const available = maxBytes - label.length - (middle === null ? 1 : 2)
  let first = Buffer.byteLength(view)
  let second = Buffer.byteLength(middle ?? '')
  while (first + second > available) {
    if (first > second) first--
    else second--
  }
  const parts = middle === null ? [cut(view, first)] : [cut(view, first), cut(middle, second)]
  return [...parts, label].join('_')
}

/** The beginning of a text: as many whole letters as fit. */
function cut(text: string, bytes: number): string {
  let kept = ''
  for (const letter of text) {
    if (Buffer.byteLength(kept + letter) > bytes) break
    kept += letter
  }
  return kept
}
