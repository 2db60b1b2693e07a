import { conditionOf, sqlstateOf } from '../server/failures.ts'

/** The steps of a look that may fail without the rest of it: each has the time limit of a statement, and its own transaction. */
export class Steps {
  /** Those that were done, and why others were not. */
  readonly done: string[] = []
  readonly failed: Record<string, string> = {}

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
      return otherwise
    }
  }
}
