import type { Definition } from '../../catalog/plan/definition.ts'
import { type JournalEntry, toJournal } from '../../record/plan/journal-statements.ts'
import { quoteName } from '../../sql/names.ts'
import { displayName, parseName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { type FrozenMigration, frozenState, viewAfter, viewChangesOf } from './frozen.ts'

/** A folder of frozen migrations compared with the journal of a database. */
interface ComparedJournal {
  applied: JournalEntry[]
  pending: FrozenMigration[]
  /** Migrations that the database has and the folder lacks. */
  ahead: JournalEntry[]
}

/**
 * Refuses (MigrationFailed) a folder if the database has migrations but none of this folder's: the database
 * was migrated from another folder. If all names agree, files were edited; compareJournal refuses those.
 */
export function insistOnOwnFolder(migrations: FrozenMigration[], journal: JournalEntry[]): void {
  const byNumber = new Map(migrations.map((migration) => [migration.number, migration]))
  const isKnown = ({ number, name, checksum }: JournalEntry) =>
    byNumber.get(number)?.name === name && byNumber.get(number)?.checksum === checksum
  const hasName = ({ number, name }: JournalEntry) => byNumber.get(number)?.name === name
  if (journal.some(isKnown) || journal.every(hasName)) return
  const names = journal.slice(0, mostNamed).map(({ name }) => name)
  throw refused(
    `this database was migrated from another folder. The database has ${[...names, ...(journal.length > mostNamed ? ['...'] : [])].join(', ')}. ` +
      'Work in that folder, or on a database of your own. (The database of `npm start` was migrated from local/demo.)',
  )
}

const mostNamed = 3

/**
 * Compares the folder with the journal. Refuses (MigrationFailed), by name: a migration that was edited or renamed after
 * it had been applied, a gap in the journal, and the journal of another folder. An empty folder is no error: an older
 * version of the folder may lack migrations that the database has.
 */
export function compareJournal(migrations: FrozenMigration[], journal: JournalEntry[]): ComparedJournal {
  if (migrations.length > 0) insistOnOwnFolder(migrations, journal)
  const journaled = new Map(journal.map((entry) => [entry.number, entry]))
  for (const { number, name, checksum } of migrations) {
    const entry = journaled.get(number)
    if (entry === undefined) continue
    if (entry.name !== name) {
      throw otherName(entry, name, { migrations, journal })
    }
    if (entry.checksum !== checksum) {
      throw new Problem(
        'MigrationFailed',
        `migrations/${name} was edited after it had been applied to this database. Restore the file, and freeze the change.`,
      )
    }
  }
  const pending = migrations.filter(({ number }) => !journaled.has(number))
  const first = pending[0]
  const later = first && journal.find(({ number }) => number > first.number)
  if (first && later) {
    throw refused(
      `this database has ${later.name}, but lacks the earlier ${first.name}. If the database was changed as ${first.name} says, ` +
        `write that down: ${toJournal(first)}`,
    )
  }
  const folder = new Set(migrations.map(({ number }) => number))
  return {
    applied: journal.filter(({ number }) => folder.has(number)),
    pending,
    ahead: journal.filter(({ number }) => !folder.has(number)),
  }
}

/** The refusal of a folder whose migration has the number of another one that the database has. */
function otherName(
  entry: JournalEntry,
  name: string,
  { migrations, journal }: { migrations: FrozenMigration[]; journal: JournalEntry[] },
): Problem {
  const down = `npx viewkeeper migrate down ${journal.filter(({ number }) => number >= entry.number).length}`
  const renamed = migrations.find(({ checksum }) => checksum === entry.checksum)
  const advice = () => {
    if (renamed === undefined) {
      return (
        `but the folder has ${name}, because two branches froze number ${entry.number}. ` +
        `Merge the branch that has ${entry.name}, and rename the files of ${name} and of all that follow it, so that they ` +
        `come after all others. ` +
        `If the database is your own, you can also check out that branch and run: ${down}`
      )
    }
    if (renamed.number === entry.number)
      return `and the folder calls it ${renamed.name}. Give the files their name back.`
    return (
      `which is now ${renamed.name}. Check out your branch as it was before that, run "${down}" there, ` +
      'then "npx viewkeeper migrate up" here.'
    )
  }
  return refused(`this database has ${entry.name}, ${advice()}`)
}

/** The refusal of a folder. */
export const refused = (message: string): Problem => new Problem('MigrationFailed', `migrations/: ${message}`)

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

/** A view that is frozen and that no later migration has removed, and the migration that says how it is. */
export interface LivingView {
  definition: Definition
  migration: FrozenMigration
}

/** The views that a database with these migrations has to have, in the order in which they were frozen. */
export function livingViews(migrations: FrozenMigration[]): LivingView[] {
  const latest = new Map<string, FrozenMigration>()
  for (const migration of migrations) {
    for (const change of viewChangesOf(migration.up.change))
      if (change.does === 'define' || change.does === 'rename')
        latest.set(quoteName(viewAfter(change)), migration)
  }
  return [...frozenState(migrations)].map(([name, definition]) => ({
    definition,
    migration: latest.get(name) as FrozenMigration,
  }))
}

/** Whether one of these migrations makes a view anew, or removes it. One that changes several views needs them all. */
export const isMadeAnyway = (view: QualifiedName, pending: FrozenMigration[]): boolean =>
  pending.some(
    ({ up: { change } }) =>
      (change.does === 'define' || change.does === 'drop') &&
      quoteName(viewAfter(change)) === quoteName(view),
  )

/** Whether a query may read something of this name: the name is a word of its text. */
const mentions = (sql: string, { name }: QualifiedName): boolean =>
  new RegExp(`(^|[^\\w$])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}($|[^\\w$])`, 'i').test(sql)

/** The views among `others` that a view declares to read. */
export function declaredAmong({ schema, dependsOn }: Definition, others: QualifiedName[]): QualifiedName[] {
  const names = dependsOn.map((text) => {
    const declared = parseName(text, 'dependsOn')
    return quoteName({ schema: declared.schema ?? schema, name: declared.name })
  })
  return others.filter((other) => names.includes(quoteName(other)))
}

/** The missing views among `views` that a view may need, in words. */
export const firstNeeded = ({ sql, schema, name }: Definition, views: QualifiedName[]): string[] =>
  views
    .filter((other) => quoteName(other) !== quoteName({ schema, name }) && mentions(sql, other))
    .map((other) => `${displayName(other)} is missing too.`)
