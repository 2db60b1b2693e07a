import type * as z from 'zod'
import { Problem } from '../problem.ts'
import { displayName } from '../sql/names.ts'
import { nearest } from '../sql/nearest.ts'
import type { AuthoredView } from './define-view.ts'
import { type Place, type Places, placesOf } from './places.ts'

/** A problem that the author of a view has to solve. */
export interface ViewProblem extends Place {
  /** `schema.name`; null if the file has no view, or the view has no name. */
  view: string | null
  /** `indexes.0.columns`; null if the problem is one of the whole file or view. */
  field: string | null
  /** What is wrong, and what to write. */
  message: string
}

/** The refusal of a folder of views that lists these problems. */
export function notValid(folder: string, problems: Omit<ViewProblem, 'view'>[]): Problem {
  const lines = problems.map(
    ({ file, line, field, message }) => `  ${file}:${line}  ${field === null ? '' : `${field}: `}${message}`,
  )
  return new Problem('InvalidRequest', [`${folder} is not valid:`, ...lines].join('\n'))
}

/** Collects the problems of one view. */
export class ViewReport {
  readonly problems: ViewProblem[] = []
  readonly places: Places
  private readonly view: string | null

  constructor({ input, ...view }: AuthoredView) {
    const { schema, name } = Object(input) as Record<string, unknown>
    this.view =
      typeof name === 'string'
        ? displayName({ schema: typeof schema === 'string' ? schema : 'public', name })
        : null
    this.places = placesOf({ input, ...view })
  }

  add(path: readonly PropertyKey[], message: string, place = this.places.view): void {
    const field = path.length === 0 ? null : path.map(String).join('.')
    const known = this.problems.some((problem) => problem.field === field && problem.message === message)
    if (!known) this.problems.push({ ...place, view: this.view, field, message })
  }

  /**
   * What a schema reads from a value. If the schema refuses the value, adds the problems and returns null.
   */
  read<T extends z.ZodObject>(schema: T, value: unknown, path: PropertyKey[]): z.output<T> | null {
    const result = schema.safeParse(value)
    if (result.success) return result.data
    for (const issue of result.error.issues) {
      const at = [...path, ...issue.path]
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys) this.add([...at, key], unknownField(key, Object.keys(schema.shape)))
      } else {
        const missing = issue.path.length > 0 && valueAt(value, issue.path) === undefined
        this.add(at, missing ? `is missing: it ${issue.message}` : issue.message)
      }
    }
    return null
  }

  /** Whether a field, or something within it, has a problem. */
  refuses(field: string): boolean {
    return this.problems.some((problem) => problem.field?.split('.')[0] === field)
  }
}

function unknownField(key: string, known: string[]): string {
  const meant = nearest(key, known)
  return meant === undefined
    ? `is not a field: the fields are ${known.join(', ')}`
    : `is not a field: did you mean ${meant}?`
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((inside, key) => Object(inside)[key], value)
