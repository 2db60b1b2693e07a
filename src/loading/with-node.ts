import module from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { indexModule } from '../package-files.ts'
import type { ImportFile } from './import-file.ts'
import { readSql } from './sql-texts.ts'

/** Does `work` with imports by Node itself, which strips the types. */
export async function importWithNode<T>(work: (importFile: ImportFile) => Promise<T>): Promise<T> {
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
