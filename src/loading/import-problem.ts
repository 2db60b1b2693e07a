import { readFileSync } from 'node:fs'
import { basename, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Says that importing a file failed, and at which line of the file. The file is relative to the current folder. */
export function importProblem(path: string, error: unknown): { file: string; line: number; message: string } {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return {
    file: relativePath(path),
    line: lineInStack(path, error) ?? lineOfImport(path, message) ?? 1,
    message: `cannot be imported: ${message.trim().split(/\s*\n/)[0]}`,
  }
}

/** The first line of the file in the stack. A syntax error has its line at the top of the stack. */
function lineInStack(path: string, error: unknown): number | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  for (const name of [pathToFileURL(path).href, path]) {
    const line = stack.split(`${name}:`)[1]
    if (line !== undefined) return Number.parseInt(line, 10)
  }
  return undefined
}

/** The line with the import whose target is missing, by the error's message. */
function lineOfImport(path: string, message: string): number | undefined {
  const missing = /^\w+: Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1]
  if (missing === undefined) return undefined
  const at = readFileSync(path, 'utf8')
    .split('\n')
    .findIndex((line) => /\b(import|from)\b/.test(line) && line.includes(basename(missing)))
  return at === -1 ? undefined : at + 1
}

/** A `file:` URL as a path; a path stays what it is. */
export const pathOf = (file: string): string => (file.startsWith('file:') ? fileURLToPath(file) : file)

/** A path or `file:` URL as a path from the current folder. */
export const relativePath = (path: string): string => relative(process.cwd(), pathOf(path))
