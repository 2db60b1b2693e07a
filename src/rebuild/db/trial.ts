import type { Sql } from '../../server/connect.ts'
import { fill, makeShadow } from '../plan/make.ts'
import { type Member, type Rebuild, wantedOf } from '../plan/scope.ts'
import { executeStatements } from './statements.ts'

/** What a trial of shadows has found. */
export interface Trial<Why> {
  misfits: { member: Member; because: Why }[]
  /** The members that read a misfit, directly or through others. */
  untried: Member[]
}

/**
 * Tries the shadows of members, parents first, in a place that is made: each by `attempt`, which returns why one does not fit,
 * or null if it does. Execute in a transaction that is undone.
 */
export async function tryShadows<Why>(
  members: Member[],
  readsOf: (member: Member) => number[],
  attempt: (member: Member) => Promise<Why | null>,
): Promise<Trial<Why>> {
  const trial: Trial<Why> = { misfits: [], untried: [] }
  const unfit = new Set<number>()
  for (const member of members) {
    const isUntried = readsOf(member).some((read) => unfit.has(read))
    const because = isUntried ? null : await attempt(member)
    if (isUntried) trial.untried.push(member)
    if (because !== null) trial.misfits.push({ member, because })
    if (isUntried || because !== null) unfit.add(member.oid)
  }
  return trial
}

/**
 * Makes one shadow, and fills it if that is wanted; if it fails, nothing of the shadow is left. Statistics objects stay out: they
 * stand in the schema of the view, where a refresh that is running may build some of the same name. Throws StatementRefused.
 */
export function tryShadow(sql: Sql, rebuild: Rebuild, member: Member, isFilled = false): Promise<void> {
  const bare = { ...member, wanted: { ...wantedOf(member), statistics: [] } }
  const statements = [...makeShadow(rebuild, bare), ...(isFilled ? fill(rebuild, bare) : [])]
  return executeStatements(sql, statements, false)
}
