import { readFileSync } from 'node:fs'
import { pathOf, relativePath } from '../loading/relative-path.ts'
import { sqlFileOf } from '../loading/sql-texts.ts'
import { readCall } from './call.ts'
import type { AuthoredView } from './define-view.ts'

/** A line of a file. */
export interface Place {
  /** Relative to the current folder. */
  file: string
  line: number
}

/** Says where a view, its fields and its query are written. */
export interface Places {
  view: Place
  field(path: readonly PropertyKey[]): Place
  /**
   * The place of a line (from 1) of the query's text: in the imported file, or in the code. If the text is in
   * neither, the place of the field.
   */
  query(text: string, line: number): Place
}

/** Finds the places of a view by reading the file that defines it, if there is such a file. */
export function placesOf(view: AuthoredView): Places {
  const path = pathOf(view.file)
  const file = relativePath(path)
  const source = readSource(path)
  const start = startOf(source, view)
  const { lines, end } = readCall(source, start)
  const field = (at: readonly PropertyKey[]): Place => {
    const known = at.map((_, cut) => lines.get(at.slice(0, at.length - cut).join('.')))
    return { file, line: known.find((line) => line !== undefined) ?? view.line }
  }
  return {
    view: { file, line: view.line },
    field,
    query(text, line) {
      const imported = sqlFileOf(text)
      if (imported !== undefined) return { file: relativePath(imported), line }
      const lookedFor = text.replace(/\r\n?/g, '\n')
      const inside = source.slice(start, end).indexOf(lookedFor)
      const found = inside === -1 ? source.indexOf(lookedFor) : start + inside
      if (found === -1 || lookedFor.trim() === '') return field(['query'])
      return { file, line: lineAt(source, found) + line - 1 }
    },
  }
}

/** Where the call of `defineView` begins. If the column is of transformed code, it is the first call of the line. */
function startOf(source: string, { line, column }: AuthoredView): number {
  const lineStart = source
    .split('\n')
    .slice(0, line - 1)
    .reduce((at, text) => at + text.length + 1, 0)
  const start = lineStart + column - 1
  if (source.startsWith('defineView', start)) return start
  const inLine = (source.slice(lineStart).split('\n', 1)[0] as string).indexOf('defineView')
  return inLine === -1 ? start : lineStart + inLine
}

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

function readSource(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r\n?/g, '\n')
  } catch {
    return '' // the code was never in a file
  }
}
