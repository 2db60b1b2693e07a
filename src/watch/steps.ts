import { conditionOf, sqlstateOf } from '../server/failures.ts'
import type { IncidentKind } from '../words/event.ts'

/** The steps that find incidents of a kind. */
const finding: Record<string, IncidentKind> = { 'lost-parts': 'lost', 'slow-runs': 'slow' }

/** The steps of a look that may fail without the rest of it: each has the time limit of a statement, and its own transaction. */
export class Steps {
  /** Those that were done, and why others were not. */
  readonly done: string[] = []
  readonly failed: Record<string, string> = {}
  /** Kinds of incidents that nobody knows now to be well. */
  readonly unseen = new Set<IncidentKind>()

  /**
   * Does one step. If the server refuses it, that is noted, and `otherwise` is its result. A lost connection and an error of ours end the look.
   */
  async do<T>(name: string, work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      const result = await work()
      this.done.push(name)
      return result
    } catch (error) {
      const sqlstate = sqlstateOf(error)
      if (sqlstate === undefined) throw error
      // The text of the error may have data.
      this.failed[name] = `${conditionOf(sqlstate)} (${sqlstate})`
      if (finding[name] !== undefined) this.unseen.add(finding[name])
      return otherwise
    }
  }
}
