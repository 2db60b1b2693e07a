import { readFileSync } from 'node:fs'
import type * as z from 'zod'
import { pathOf, relativePath, sqlFileOf } from '../loading/import-files.ts'
import { forPeople } from '../words/for-people.ts'
import { displayName, nearest } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { AuthoredView } from './define-view.ts'

/** A line of a file. */
export interface FilePlace {
  /** Relative to the current folder. */
  file: string
  line: number
}

/** Says where a view and its query are written. */
interface Places {
  view: FilePlace
  /**
   * The place of a line (from 1) of the query's text: in the imported file, or in the code. If the text is in
   * neither, the place of the view.
   */
  query(text: string, line: number): FilePlace
}

const call = 'defineView('

/** Finds the places of a view by reading the file that defines it, if there is such a file. */
function placesOf({ file: url, line: ofView }: AuthoredView): Places {
  const path = pathOf(url)
  const view = { file: relativePath(path), line: ofView }
  return {
    view,
    query(text, line) {
      const imported = sqlFileOf(text)
      if (imported !== undefined) return { file: relativePath(imported), line }
      const source = readSource(path)
      const lookedFor = text.replace(/\r\n?/g, '\n')
      const start = offsetOf(source, ofView)
      const next = source.indexOf(call, source.indexOf(call, start) + call.length)
      const inside = source.slice(start, next === -1 ? undefined : next).indexOf(lookedFor)
      const found = inside === -1 ? source.indexOf(lookedFor) : start + inside
      if (found === -1 || lookedFor.trim() === '') return view
      return { file: view.file, line: lineAt(source, found) + line - 1 }
    },
  }
}

const offsetOf = (source: string, line: number): number =>
  source
    .split('\n')
    .slice(0, line - 1)
    .reduce((at, text) => at + text.length + 1, 0)

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

function readSource(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r\n?/g, '\n')
  } catch {
    return '' // the code was never in a file
  }
}

/** A problem that the author of a view has to solve. */
export interface ViewProblem extends FilePlace {
  /** `schema.name`; null if the file has no view, or the view has no name. */
  view: string | null
  /** `indexes.0.columns`; null if the problem is one of the whole file or view. */
  field: string | null
  /** What is wrong, and what to write. */
  message: string
}

/** The refusal of a folder of views that lists these problems. */
export function notValid(folder: string, problems: Omit<ViewProblem, 'view'>[]): Problem {
  const lines = problems.map(({ file, line, field, message }) =>
    forPeople(`  ${file}:${line}  ${field === null ? '' : `${field}: `}${message}`),
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
        for (const key of issue.keys)
          this.add(
            [...at, key],
            issue.path.length === 0
              ? unknownField(key, Object.keys(schema.shape))
              : `is not a field: ${at.join('.')} ${issue.message}`,
          )
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
