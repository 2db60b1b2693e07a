import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { indexModule } from '../package-files.ts'
import type { ImportFile } from './import-file.ts'
import { readSql } from './sql-texts.ts'

/** Does `work` with imports by jiti, for a Node that does not strip types. jiti keeps the lines of a file, not the columns. */
export async function importWithJiti<T>(work: (importFile: ImportFile) => Promise<T>): Promise<T> {
  const [{ createJiti }, viewkeeper] = await Promise.all([import('jiti'), import(indexModule.href)])
  const modules: Record<string, unknown> = { viewkeeper }
  const options = { fsCache: false, interopDefault: false, virtualModules: modules }
  const { transform } = createJiti(import.meta.url, options)
  const jiti = createJiti(import.meta.url, {
    ...options,
    transform: (file) => ({ code: transform({ ...file, source: withTexts(file, modules) }) }),
  })
  return work((path) => jiti.import(path))
}

const sqlImport = /\bfrom\s*(['"])([^'"\n]+\.sql)\1/g

/** The source with the whole path of each `.sql` file that it imports; `modules` gets the texts, by these paths. */
const withTexts = (
  { source, filename = '' }: { source: string; filename?: string },
  modules: Record<string, unknown>,
): string =>
  source.replace(sqlImport, (written, _quote, name) => {
    const path = resolve(dirname(filename), name)
    if (!existsSync(path)) return written
    modules[path] ??= { __esModule: true, default: readSql(path) }
    return `from ${JSON.stringify(path)}`
  })
