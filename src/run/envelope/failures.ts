import { hintsInPlace } from '../../catalog/plan/obstacles.ts'
import { mayRetry, problemCodes } from '../../problem.ts'
import { unfoundQuery, unfoundStates } from '../../rebuild/db/unfound.ts'
import { problemOfSqlstate, standardText } from '../../server/sqlstate.ts'
import { onOneLine } from '../../sql/one-line.ts'
import { type Plan, purposesOf } from '../../sql/plan.ts'

/** The session's setting with what the envelope has to know of failures. */
export const failuresSetting = 'viewkeeper.failures'

const ofEveryRun = {
  /** The class of a failure by its SQLSTATE, or by the first two characters of that. */
  classes: problemOfSqlstate,
  /** What is recorded instead of a message that may quote rows. */
  texts: standardText,
  /** Classes after which the same idempotency key may be used again. */
  retried: problemCodes.filter(mayRetry),
  unfoundStates,
  /** A limit of the server's configuration; a login without a password at a foreign server. */
  whole: ['53400', '2F003'],
  unfound: onOneLine(unfoundQuery),
}

/** What the envelope has to know of the failures of this plan, as JSON. `hints`: a query for what was done with a view. */
export const failuresOf = (plan: Plan): string => {
  const purposes = purposesOf(plan)
  const key = purposes.join()
  const known = written.get(key)
  if (known !== undefined) return known
  const hints = purposes.length > 0 ? hintsInPlace(purposes) : null
  const text = JSON.stringify({ ...ofEveryRun, hints })
  written.set(key, text)
  return text
}

/** The same, by purposes: a batch asks for it at each of its runs. */
const written = new Map<string, string>()
