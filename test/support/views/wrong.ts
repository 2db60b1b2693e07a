import type { Monitored } from '../../../src/watch/monitor.ts'
import { type IncidentKind, incidentKinds } from '../../../src/words/event.ts'

/** The names that are wrong in each way, in the order in which the monitor found them. */
export const namesByKind = (monitored: unknown): Record<IncidentKind, string[]> => {
  const found = (monitored as Monitored).incidents
  return Object.fromEntries(
    incidentKinds.map((kind) => [kind, found.filter((each) => each.kind === kind).map(({ name }) => name)]),
  ) as Record<IncidentKind, string[]>
}
