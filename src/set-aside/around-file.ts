import type { Around } from './db/own-sql.ts'
import type { Making } from './take.ts'

/**
 * What own SQL asks for in its first line; undefined if it does not. Loads the code of it then only: few deploys have such a
 * file, and each deploy waits until `migrate` has started.
 */
export async function aroundOf(
  { around }: { around?: string[] },
  making: Making,
): Promise<Around | undefined> {
  if (around === undefined) return undefined
  const { aroundReaders } = await import('./take.ts')
  return aroundReaders(around, making)
}
