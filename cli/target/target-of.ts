import { databaseFromUrl, directTarget } from './direct.ts'
import type { Target } from './target.ts'

/** The environment that `--env` names, or the database in DATABASE_URL. Without `--env` no client of AWS is loaded. */
export async function targetOf({ env }: { env?: string }): Promise<Target> {
  if (env !== undefined) return (await import('./deployed.ts')).deployedTarget(env)
  return directTarget(databaseFromUrl())
}
