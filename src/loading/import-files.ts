import { readFileSync } from 'node:fs'
import module from 'node:module'
import { basename, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { indexModule } from '../package-files.ts'
import { Problem } from '../words/problem.ts'

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

/** Imports a file of TypeScript or JavaScript by its path, and returns what the file exports. */
type ImportFile = (path: string) => Promise<Record<string, unknown>>

/**
 * Does `work`, which may import files that a user has written: Node strips their types. In them, `import text from './x.sql'`
 * gives the text of that file, and 'viewkeeper' is this very package, installed or not. The files are ES modules, whatever
 * `type` their package.json names. A file is read only once in the life of the process. Refuses (InvalidRequest) a Node that
 * is too old, or has been told to strip no types.
 */
export async function withImports<T>(work: (importFile: ImportFile) => Promise<T>): Promise<T> {
  if (!process.features.typescript || !('registerHooks' in module))
    throw new Problem(
      'InvalidRequest',
      `Node ${process.versions.node} reads no TypeScript: Viewkeeper needs Node 22.18 or later, which strips the types of your files.`,
    )
  const hooks = module.registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'viewkeeper' ? { url: indexModule.href, shortCircuit: true } : next(specifier, context),
    load(url, context, next) {
      if (url.endsWith('.sql')) {
        const text = readSql(fileURLToPath(url))
        return { format: 'module', source: `export default ${JSON.stringify(text)}`, shortCircuit: true }
      }
      return next(url, url.endsWith('.ts') ? { ...context, format: 'module-typescript' } : context)
    },
  })
  const showWarnings = hideWarnings()
  try {
    return await work((path) => import(pathToFileURL(path).href))
  } finally {
    showWarnings()
    hooks.deregister()
  }
}

/** Hides what Node warns of when it strips types or guesses what a file is. Returns a function that ends this. */
function hideWarnings(): () => void {
  const { emitWarning } = process
  process.emitWarning = (...args: unknown[]) => {
    const [text, type] = args as [string | Error, string | { code?: string } | undefined]
    const isHidden =
      (type === 'ExperimentalWarning' && String(text).startsWith('Type Stripping')) ||
      (typeof type === 'object' && type.code === 'MODULE_TYPELESS_PACKAGE_JSON')
    if (!isHidden) Reflect.apply(emitWarning, process, args)
  }
  return () => {
    process.emitWarning = emitWarning
  }
}

// Never cleared, because modules are kept, too: a file that is imported a second time is not read again.
const paths = new Map<string, string>()

/** The text of an imported `.sql` file. */
function readSql(path: string): string {
  const text = readFileSync(path, 'utf8')
  paths.set(text, path)
  return text
}

/** The imported file that holds exactly this text. */
export const sqlFileOf = (text: string): string | undefined => paths.get(text)
