import module from 'node:module'
import type { ImportFile } from './import-file.ts'
import { importWithJiti } from './with-jiti.ts'
import { importWithNode } from './with-node.ts'

/**
 * Does `work`, which may import files that a user has written. In them, `import text from './x.sql'` gives the text of that
 * file, and 'viewkeeper' is this very package, installed or not. The files are ES modules, whatever `type` their
 * package.json names. A file is read only once in the life of the process.
 */
export const withImports = <T>(work: (importFile: ImportFile) => Promise<T>): Promise<T> =>
  // Node strips types from 22.18 on, unless it is told not to. Older versions lack `registerHooks`, too.
  process.features.typescript && 'registerHooks' in module ? importWithNode(work) : importWithJiti(work)
