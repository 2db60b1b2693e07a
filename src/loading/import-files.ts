import { readFileSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { indexModule } from '../package-files.ts'
import { Problem } from '../problem.ts'

/** Imports a file of TypeScript or JavaScript by its path, and returns what the file exports. */
export type ImportFile = (path: string) => Promise<Record<string, unknown>>

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
