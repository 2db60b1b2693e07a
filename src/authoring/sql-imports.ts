import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

// Never cleared, because Node keeps modules too: a file that is imported a second time is not read again.
const paths = new Map<string, string>()

/** Does `work`; meanwhile `import text from './x.sql'` gives the file's text. */
export async function withSqlImports<T>(work: () => Promise<T>): Promise<T> {
  const hooks = registerHooks({
    load(url, context, next) {
      if (!url.endsWith('.sql')) return next(url, context)
      const text = readFileSync(new URL(url), 'utf8')
      paths.set(text, fileURLToPath(url))
      return { format: 'module', source: `export default ${JSON.stringify(text)}`, shortCircuit: true }
    },
  })
  try {
    return await work()
  } finally {
    hooks.deregister()
  }
}

/** The imported file that holds exactly this text. */
export const sqlFileOf = (text: string): string | undefined => paths.get(text)
