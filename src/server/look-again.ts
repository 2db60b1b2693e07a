import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '../problem.ts'
import { sqlstateOf } from './failures.ts'

const mostLooks = 12
const pauseMs = 5

/**
 * Looks at a view by its name, and again if the view was exchanged meanwhile. Then `look` returns `gone`, or
 * the server raises XX000: a statement sees the catalog of its beginning, but writes the SQL of views and
 * indexes as it is now. Any other answer of `look` is final, also that no view has the name.
 */
export async function lookAgain<T>(look: () => Promise<T | 'gone'>): Promise<T> {
  for (let looks = 1; ; looks++) {
    try {
      const seen = await look()
      if (seen !== 'gone') return seen
    } catch (error) {
      if (sqlstateOf(error) !== 'XX000' || looks === mostLooks) throw error
    }
    if (looks === mostLooks) {
      throw new Problem('CatalogChanged', 'Somebody exchanged the view during each look at it. Try again.')
    }
    await pause(pauseMs * looks)
  }
}
