import { conditionOf, sqlstateOf } from '../server/failures.ts'

/** The steps of a look that may fail without the rest of it: each has the time limit of a statement, and its own transaction. */
export class Steps {
  /** Those that were done, and why others were not. */
  readonly done: string[] = []
  readonly failed: Record<string, string> = {}

  /**
   * Does one step. If it fails, that is noted, and `otherwise` is its result. If the connection is gone, what comes after the steps fails, and
   * with it the look.
   */
  async do<T>(name: string, work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      const result = await work()
      this.done.push(name)
      return result
    } catch (error) {
      const sqlstate = sqlstateOf(error)
      // Without a SQLSTATE: the client could not take the answer. The text of an error may have data.
      this.failed[name] = sqlstate === undefined ? 'no answer' : `${conditionOf(sqlstate)} (${sqlstate})`
      return otherwise
    }
  }
}
