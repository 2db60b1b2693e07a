import { servedFunctions } from '../../../serve/http/invoke.ts'
import { keeperOf } from '../../../src/keeper/keeper.ts'
import type { Database } from '../../../src/server/connect.ts'

/** The functions as `viewkeeper serve` serves them. */
export const functionsOn = (database: Database) => servedFunctions(keeperOf(database, {}).advancer)
