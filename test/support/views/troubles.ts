import { type Trouble, troubles } from '../../../src/events/plan/troubles.ts'
import type { Monitored } from '../../../src/watch/monitor.ts'

/** The names that have each trouble, in the order in which the monitor found them. */
export const namesByTrouble = (monitored: unknown): Record<Trouble, string[]> => {
  const found = (monitored as Monitored).troubles
  return Object.fromEntries(
    troubles.map((trouble) => [
      trouble,
      found.filter((each) => each.trouble === trouble).map(({ name }) => name),
    ]),
  ) as Record<Trouble, string[]>
}
