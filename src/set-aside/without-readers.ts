import type { WithoutReaders } from './db/own-sql.ts'
import type { MakingOptions } from './take.ts'

/**
 * What own SQL asks for in its first line; undefined if it does not. Loads the code of it then only: few deploys have such a
 * file, and each deploy waits until `migrate` has started.
 */
export async function withoutReadersOf(
  { alters }: { alters?: string[] },
  making: MakingOptions,
): Promise<WithoutReaders | undefined> {
  if (alters === undefined) return undefined
  const { withoutReaders } = await import('./take.ts')
  return withoutReaders(alters, making)
}
