import { Problem } from '../problem.ts'
import type { MigrateCall, MigrationDone } from './call.ts'
import { type MissingView, migrateUp, missingViews } from './migrate.ts'
import type { FrozenMigration } from './plan/frozen.ts'
import type { repairViews } from './repair.ts'

/** What `migrate up` has done. */
export interface BroughtUp {
  applied: MigrationDone[]
  ahead: string[]
  repaired: MigrationDone[]
  /** Views that somebody has dropped, and that are not made again. */
  missing: MissingView[]
}

/**
 * Applies the migrations that the database lacks, and says which views are missing. With `repair` the missing views are
 * made again before; and after, if they need what a migration makes. A failure that a missing view may have caused names
 * the missing views; one that a plain view may have caused that `adopt` left out says so.
 */
export async function bringUp(
  call: MigrateCall,
  migrations: FrozenMigration[],
  { repair = false }: { repair?: boolean | undefined } = {},
): Promise<BroughtUp> {
  const findMissing = () => call.database.withConnection((sql) => missingViews(sql, migrations))
  const before = repair ? await repairMissing(call, migrations) : null
  const { applied, ahead } = await migrateUp(call, migrations).catch(async (error) => {
    throw namingMissing(error, before?.missing ?? (await findMissing()))
  })
  if (before === null) return { applied, ahead, repaired: [], missing: await findMissing() }
  if (applied.length === 0) return { applied, ahead, ...before }
  const { repaired, missing } = await repairMissing(call, migrations)
  return { applied, ahead, repaired: [...before.repaired, ...repaired], missing }
}

/** A relation or a function is missing: undefined_table, undefined_function. */
const isMissing = new Set(['42P01', '42883'])

/** The failure of a migration, with the missing views, if one of them may be the cause. */
function namingMissing(error: unknown, missing: MissingView[]): unknown {
  if (!(error instanceof Problem) || error.code !== 'MigrationFailed') return error
  const { cause } = error
  const lacks =
    isMissing.has(error.details.sqlstate ?? '') || (cause instanceof Problem && cause.code === 'UnknownView')
  if (!lacks) return error
  if (missing.length === 0) return error.details.sqlstate === '42P01' ? namingLeftOut(error) : error
  const names = missing.map(({ view, migration }) => `${view} (${migration})`).join(', ')
  return new Problem(
    error.code,
    `${error.message} These views were frozen and are missing: ${names}. \`npx viewkeeper migrate up --repair\` makes them again.`,
    { ...error.details, cause },
  )
}

/** The failure of a migration that reads what no migration makes. */
const namingLeftOut = ({ code, message, details, cause }: Problem): Problem =>
  new Problem(
    code,
    `${message} If it is a plain view that \`adopt\` left out of the migrations, create it here first, or adopt it with --trust and its owner.`,
    { ...details, cause },
  )

const repairMissing = async (...given: Parameters<typeof repairViews>) =>
  (await import('./repair.ts')).repairViews(...given)
