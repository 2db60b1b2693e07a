import { readFileSync } from 'node:fs'

// Never cleared, because modules are kept, too: a file that is imported a second time is not read again.
const paths = new Map<string, string>()

/** The text of an imported `.sql` file. */
export function readSql(path: string): string {
  const text = readFileSync(path, 'utf8')
  paths.set(text, path)
  return text
}

/** The imported file that holds exactly this text. */
export const sqlFileOf = (text: string): string | undefined => paths.get(text)
