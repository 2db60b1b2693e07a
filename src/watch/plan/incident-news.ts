import type { EventOfCause } from '../../events/plan/event.ts'
import { type Found, viewKinds } from '../../events/plan/incident.ts'
import type { News } from '../../events/plan/news.ts'
import type { IncidentChange } from './incidents.ts'

/** What has become of an incident, for programs; null if it is not about a view: other events tell that. `found` is what the monitor finds now. */
export function newsOfIncident({ incident, what }: IncidentChange, found: Found[]): News | null {
  const { subject: view, kinds: all, openedAt, changedAt, resolvedAt, culprit, cause } = incident
  const kinds = viewKinds.filter((kind) => all.includes(kind))
  if (kinds.length === 0) return null
  const ofIncident = { view, kinds, openedAt: openedAt.toISOString() }
  if (what === 'Resolved')
    return { type: 'IncidentResolved', subject: view, at: resolvedAt ?? changedAt, detail: ofIncident }
  const { ageSeconds = null, maxStalenessSeconds = null } =
    found.find(({ kind, name }) => kind === 'stale' && name === view) ?? {}
  const { code, text, runId, batchId, next } = cause
  const detail: EventOfCause = {
    ...ofIncident,
    culprit,
    cause: { code, text, runId, batchId },
    ageSeconds,
    maxStalenessSeconds,
    next,
  }
  return { type: `Incident${what}`, subject: view, at: changedAt, detail }
}
