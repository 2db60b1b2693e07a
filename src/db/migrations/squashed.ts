import type { FrozenMigration } from '../../plan/migrations/frozen.ts'
import type { SquashedHistory } from '../../plan/migrations/order.ts'
import { Problem } from '../../problem.ts'

/** The journal's word for a migration that the database has. */
type Entry = Pick<FrozenMigration, 'number' | 'name' | 'checksum'>

/**
 * The migrations of a squashed history that a database only has to record, because it has all migrations that the squash
 * replaces: all of them, or none. Refuses (MigrationFailed), by name, a database that has only some of what the squash
 * replaces. The journal keeps the replaced ones: an older version of the folder still finds them.
 */
export function recordedBy(squashed: SquashedHistory, journal: Entry[]): FrozenMigration[] {
  const old = journal.filter(({ number }) => number < squashed.first)
  if (old.length === 0 || old.length < journal.length) return []
  const has = new Map(old.map((entry) => [entry.number, entry]))
  for (const { number, name, checksum } of squashed.replaces) {
    const entry = has.get(number)
    if (entry === undefined || (entry.name === name && entry.checksum === checksum)) continue
    throw refused(
      `this database has ${entry.name}, which is not the ${name} that ${squashed.name} replaces. ` +
        `Check out the branch from which this database was migrated, and run there: npx viewkeeper migrate down ` +
        `${old.filter((each) => each.number >= number).length}`,
    )
  }
  // A database that was made from an earlier squash never had what that one had replaced.
  const lacking = squashed.replaces.filter(({ number }) => number > (old[0]?.number ?? 0) && !has.has(number))
  const [first] = lacking
  if (first === undefined) return squashed.migrations
  throw refused(
    `this database has only a part of what ${squashed.name} replaces: it lacks ${lacking.map(({ name }) => name).join(', ')}. ` +
      `Check out the last commit whose migrations/ has ${first.name} (the commit before the one that ` +
      `"git log -1 -- migrations/${first.name}.up.sql" names), and run "npx viewkeeper migrate up" there, or deploy it. Then do the same here.`,
  )
}

const refused = (message: string): Problem => new Problem('MigrationFailed', `migrations/: ${message}`)
