import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '../../problem.ts'
import { sqlstateOf } from './failures.ts'

const mostLooks = 12
const pauseMs = 5

/**
 * Looks at a view by its name, and again where the view was exchanged in the middle of that: `look` gives `gone` then, or the
 * server fails with XX000, because a statement sees the catalog as it was when it began, but writes definitions out as
 * they are. That nothing has the name is for `look` to say, and is believed.
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
      throw new Problem('CatalogChanged', 'The view was exchanged each time it was looked at. Try again.')
    }
    await pause(pauseMs * looks)
  }
}
