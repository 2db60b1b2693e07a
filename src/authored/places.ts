import { readFileSync } from 'node:fs'
import { sqlFileOf } from '../loading/import-files.ts'
import { pathOf, relativePath } from '../loading/import-problem.ts'
import type { AuthoredView } from './define-view.ts'

/** A line of a file. */
export interface Place {
  /** Relative to the current folder. */
  file: string
  line: number
}

/** Says where a view and its query are written. */
export interface Places {
  view: Place
  /**
   * The place of a line (from 1) of the query's text: in the imported file, or in the code. If the text is in
   * neither, the place of the view.
   */
  query(text: string, line: number): Place
}

const call = 'defineView('

/** Finds the places of a view by reading the file that defines it, if there is such a file. */
export function placesOf({ file: url, line: ofView }: AuthoredView): Places {
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
