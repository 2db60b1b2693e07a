import { literal } from '../../sql/names.ts'
import { names } from '../../sql/words.ts'

/** An old transaction, which may hide commits of its session from the server's counters. */
export interface HiddenBehind {
  /** Null: a prepared transaction. */
  pid: number | null
  gid: string | null
  since: Date
  role: string | null
  application: string | null
  state: string | null
}

/** What keeps refreshes of a view from being left out because nothing has changed. */
export interface Uncounted {
  /** Why the view itself cannot be proved, as the schema says it; null if it can. */
  because: string | null
  /** SQL that lets the login see when the transactions of others began; null if it sees that. */
  grant: string | null
  /** Whether somebody may write without being counted. */
  countsOff: boolean
  /** SQL of a superuser after which everybody is counted; null if nothing needs it. */
  counting: string | null
  hidden: HiddenBehind | null
}

/** The same in words, with what to type; null if nothing keeps it from that. Pure. */
export function uncountedWords(
  name: string,
  { because, grant, countsOff, counting, hidden }: Uncounted,
  clock: (at: Date) => string,
): { text: string; next: string | null } | null {
  const refreshed = `skipUnchanged leaves out no refresh of ${name}:`
  if (because !== null) return { text: `${refreshed} ${because}.`, next: null }
  if (grant !== null)
    return {
      text: `${refreshed} the login may not see when the transactions of others began.`,
      next: `${grant};`,
    }
  if (countsOff)
    return {
      text: `${refreshed} track_counts is off, or set for a role, a database or a function, or granted. A superuser has to let nobody write uncounted; on RDS, the parameter group switches track_counts on for the whole server.`,
      next: counting,
    }
  if (hidden === null) return null
  const { pid, gid, since, role, application, state } = hidden
  const who =
    pid === null
      ? `the prepared transaction ${gid}`
      : `a transaction of process ${pid} (${[role, application, state].filter(Boolean).join(', ')})`
  return {
    text: `${refreshed} ${who} of ${clock(since)} may hide what was committed before the last refresh.`,
    next: pid === null ? `rollback prepared ${literal(gid ?? '')};` : `select pg_terminate_backend(${pid});`,
  }
}

/** The same of several views: what keeps them alike from it is said once. Pure. */
export function allUncountedWords(
  views: { view: string; uncounted: Uncounted }[],
  clock: (at: Date) => string,
): { text: string; next: string | null }[] {
  const alike = Map.groupBy(views, ({ uncounted }) => JSON.stringify(uncounted))
  return [...alike.values()].flatMap((same) => {
    const [first] = same as [(typeof same)[0]]
    const all = names(
      same.map(({ view }) => view),
      5,
    )
    return uncountedWords(all, first.uncounted, clock) ?? []
  })
}
