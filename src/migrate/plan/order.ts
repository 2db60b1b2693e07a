import { Problem } from '../../problem.ts'
import type { FrozenMigration } from './frozen.ts'

/** A number as in file names: with three digits, or more if needed. */
export const numbered = (number: number): string => String(number).padStart(3, '0')

/**
 * Refuses (MigrationFailed), by name, a folder whose numbers have a gap or occur twice. The migrations are sorted by number
 * and name.
 */
export function insistOnOrder(migrations: FrozenMigration[]): void {
  for (const [at, { number, name }] of migrations.entries()) {
    const before = migrations[at - 1]
    if (before?.number === number) {
      throw refused(
        `${before.name} and ${name} have the same number, because two branches froze them. ` +
          'Rename the files of those that only your branch has, so that they come after all others.',
      )
    }
    if (number !== at + 1)
      throw refused(`${name} should be number ${numbered(at + 1)}: a migration before it is missing.`)
  }
}

const refused = (message: string): Problem => new Problem('MigrationFailed', `migrations/: ${message}`)
