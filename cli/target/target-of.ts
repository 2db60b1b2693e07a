import { deployedTarget } from './deployed.ts'
import { databaseFromUrl, directTarget } from './direct.ts'
import type { Target } from './target.ts'

/** The environment that `--env` names, or the database in DATABASE_URL. */
export const targetOf = ({ env }: { env?: string }): Target =>
  env === undefined ? directTarget(databaseFromUrl()) : deployedTarget(env)
