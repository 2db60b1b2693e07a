import { Problem } from '../../problem.ts'
import type { FrozenMigration } from './frozen.ts'

/** A number as in file names: with three digits, or more if needed. */
export const numbered = (number: number): string => String(number).padStart(3, '0')

/** A squashed history: the migrations with which a folder begins, and those that they replace. */
export interface SquashedHistory {
  /** The name of the squash. */
  name: string
  /** The number of its first migration. */
  first: number
  /** In order. */
  replaces: { number: number; name: string; checksum: string }[]
  /** The migrations from the first one to the squash. */
  migrations: FrozenMigration[]
}

/** The squashed history with which a folder begins; null if the folder has its whole history. */
export function squashedHistory(migrations: FrozenMigration[]): SquashedHistory | null {
  for (const { name, number, up } of migrations) {
    if (up.change.does !== 'squash') continue
    const replaces = up.change.replaces.map((each) => ({ ...each, number: Number.parseInt(each.name, 10) }))
    return {
      name,
      first: (replaces.at(-1)?.number ?? 0) + 1,
      replaces,
      migrations: migrations.filter((each) => each.number <= number),
    }
  }
  return null
}

/**
 * Refuses (MigrationFailed), by name, a folder whose numbers have a gap or occur twice, and a squashed history that is
 * not whole. The migrations are sorted by number and name.
 */
export function insistOnOrder(migrations: FrozenMigration[]): void {
  const squashed = squashedHistory(migrations)
  const first = squashed?.first ?? 1
  for (const [at, { number, name }] of migrations.entries()) {
    const before = migrations[at - 1]
    if (squashed?.replaces.some((each) => each.name === name))
      throw refused(`${name} is replaced by ${squashed.name}. Delete the files of ${name}.`)
    if (number < first) {
      throw refused(
        `${name} has the number of a migration that ${squashed?.name} replaces. Run: npx viewkeeper migrate renumber ${name}`,
      )
    }
    if (before?.number === number) {
      throw refused(
        `${before.name} and ${name} have the same number, because two branches froze them. Name all that only your ` +
          `branch has: npx viewkeeper migrate renumber ${name}`,
      )
    }
    if (number !== first + at)
      throw refused(`${name} should be number ${numbered(first + at)}: a migration before it is missing.`)
  }
  const by = migrations.find(({ name }) => name === squashed?.name)?.up.change
  const names = squashed?.migrations.slice(0, -1).map(({ name }) => name) ?? []
  if (by?.does === 'squash' && by.by.join() !== names.join()) {
    throw refused(
      `${squashed?.name} consists of ${by.by.join(', ')}, but the folder has ${names.join(', ')}. Restore these files.`,
    )
  }
}

const refused = (message: string): Problem => new Problem('MigrationFailed', `migrations/: ${message}`)
