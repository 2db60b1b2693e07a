import type { Definition } from '../catalog/plan/definition.ts'
import { displayName } from '../sql/names.ts'
import type { SoundIndex } from './indexes.ts'
import type { Place } from './places.ts'
import type { ViewReport } from './view-report.ts'

interface CheckedView {
  definition: Definition
  indexes: SoundIndex[]
  /** Whether schema and name are sound. */
  named: boolean
  report: ViewReport
}

/** Reports views that are defined twice, and indexes whose name is taken in their schema. */
export function reportDuplicates(views: readonly CheckedView[]): void {
  const taken = new Map<string, { what: string; place: Place }>()
  const take = (schema: string, name: string, what: string, place: Place): string | null => {
    const key = JSON.stringify([schema, name])
    const first = taken.get(key)
    if (first === undefined) taken.set(key, { what, place })
    return first === undefined ? null : `${first.what} (${first.place.file}:${first.place.line})`
  }

  const single = views.filter(({ named, definition: { schema, name }, report }) => {
    if (!named) return false
    const first = take(schema, name, 'the view', report.places.view)
    if (first !== null) report.add(['name'], `is taken by ${first}: give one of them another name`)
    return first === null
  })
  for (const { definition, indexes, report } of single) {
    for (const { definition: index, path } of indexes) {
      const what = `an index of ${displayName(definition)}`
      const first = take(definition.schema, index.name, what, report.places.view)
      if (first !== null) {
        report.add(path, `the index's name "${index.name}" is taken by ${first}: give it another name`)
      }
    }
  }
}
