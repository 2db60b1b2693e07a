import { type LostPart, readLost } from '../record/watch/parts.ts'
import { executeSealed } from '../sealed/db/execute.ts'
import type { Database, Sql } from '../server/database.ts'
import { sqlstateOf } from '../server/failures.ts'
import { withSavepoint, withTransaction } from '../server/transactions.ts'
import { quoteIdentifier } from '../sql/names.ts'
import { safePath } from '../sql/settings.ts'
import { displayPart, parseName, printed, type QualifiedName } from '../words/names.ts'

/** Something that a view has lost: an index, a comment, a grant, or a view that reads it. */
export interface Restored {
  what: string
  /** The relation that it hangs on, or that it is, as SQL writes it. */
  name: string
  /** Why it does not come back; null: it does. */
  because: string | null
}

/**
 * Brings back what a view has lost since somebody else dropped it and made it again: each part as its owner, in the sealed room, because a
 * constant or an expression executes code of the owner when it is parsed; and only where the owner is who he was. What fails stays lost, and
 * the rest comes back. `dryRun`: only says what would.
 */
export const restore = (database: Database, view: QualifiedName, dryRun: boolean): Promise<Restored[]> =>
  database.withConnection(
    (sql) =>
      withTransaction(sql, async (part) => {
        const lost = await readLost(part, view)
        // Of a view of somebody else nothing hangs on it that hung on the one before.
        const changed = lost.flatMap((each) => (each.what === 'view' ? [] : (ofAnother(each) ?? [])))[0]
        const restored: Restored[] = []
        for (const each of lost)
          restored.push({
            what: each.what,
            name: each.name,
            because: changed ?? (await bring(part, each, restored, dryRun)),
          })
        return restored
      }),
    { startUp: { application_name: 'viewkeeper restore' }, writes: !dryRun },
  )

/** That what a thing hung on belongs to another role than before, in words. */
const ofAnother = ({ name, owner, ownerNow }: LostPart): string | null =>
  owner === null || ownerNow === null || owner === ownerNow
    ? null
    : `${printed(name)} belongs to ${displayPart(ownerNow)} now, and belonged to ${displayPart(owner)}`

/** Brings one thing back; returns why it cannot be. */
async function bring(
  sql: Sql,
  { what, name, sql: command, owner, ownerNow }: LostPart,
  before: Restored[],
  dryRun: boolean,
): Promise<string | null> {
  if (owner === null) return 'the role that owned it is gone'
  const made = before.find((each) => each.what === 'view' && each.name === name)
  const isThere = made === undefined ? ownerNow !== null : made.because === null
  if (isThere === (what === 'view')) return `${printed(name)} is ${isThere ? 'there again' : 'not there'}`
  if (dryRun) return null
  const { schema } = parseName(name)
  try {
    const seal = { role: quoteIdentifier(owner), schema: quoteIdentifier(schema ?? 'public') }
    await withSavepoint(sql, (part) => executeSealed(part, seal, command, safePath))
    return null
  } catch (error) {
    const sqlstate = sqlstateOf(error)
    if (sqlstate === undefined || sqlstate.startsWith('57')) throw error
    return sqlstate === '42501'
      ? 'its owner, or this login, may not make it'
      : `the server refuses it (SQLSTATE ${sqlstate})`
  }
}
