import type { EventOfCause } from '../../events/plan/event.ts'
import {
  type Found,
  type IncidentKind,
  incidentKinds,
  isOfView,
  viewKinds,
} from '../../events/plan/incident.ts'
import type { News } from '../../events/plan/news.ts'
import { command } from '../../sql/commands.ts'
import { wordsOf } from '../diagnosis/cause.ts'
import type { Links } from './hearers.ts'
import { type Incident, type IncidentCause, type IncidentChange, keyOf, type Tell } from './incidents.ts'

/** What has something wrong, as a notice tells it. */
export interface ToldSubject {
  subject: string
  kinds: IncidentKind[]
  since: Date
  /** The age of the data of a stale view and its limit in milliseconds; otherwise null. */
  ageMs: number | null
  limitMs: number | null
}

/** A cause, and what has it. */
export interface ToldCause extends IncidentCause {
  /** Equal for the same cause in two notices. */
  key: string
  culprit: string
  /** What to type to see more; null: nothing shows more. */
  more: string | null
  /** The view at fault comes first, then in order of their names. */
  subjects: ToldSubject[]
}

/** Something that is well again. */
interface EndedSubject {
  subject: string
  /** Of the cause that people were told. */
  key: string
  kinds: IncidentKind[]
  since: Date
  over: Date
}

/** What people are told at one moment. `news`: something new is wrong. `reminder`: it is still wrong. `over`: it is well again. */
export interface Notice {
  links: Links
  kind: 'news' | 'reminder' | 'over'
  environment: string
  at: Date
  /** What waits for most comes first. */
  causes: ToldCause[]
  over: EndedSubject[]
  /** How many subjects have each kind in all, those of earlier notices too. */
  inAll: Record<IncidentKind, number>
}

/** What people are told of these incidents, by causes. `found` has the ages. Pure. */
export function noticeOf(
  { isReminder, open, resolved }: Tell,
  found: Found[],
  { environment, links, now }: { environment: string; links: Links; now: Date },
): Notice {
  const ages = new Map(found.flatMap((each) => (each.kind === 'stale' ? [[each.name, each] as const] : [])))
  const causes = [...Map.groupBy(open, alikeOf)].map(([key, alike]) =>
    causeOf(key, alike as [Incident], { ages, environment }),
  )
  return {
    links,
    kind: causes.length === 0 ? 'over' : isReminder ? 'reminder' : 'news',
    environment,
    at: now,
    causes: causes.sort(mostFirst),
    over: resolved.map(({ subject, kinds, openedAt, resolvedAt, toldCause }) => ({
      subject,
      key: toldCause ?? '',
      kinds,
      since: openedAt,
      over: resolvedAt ?? now,
    })),
    inAll: Object.fromEntries(
      incidentKinds.map((kind) => [kind, found.filter((each) => each.kind === kind).length]),
    ) as Notice['inAll'],
  }
}

/** Equal for what is told together: what has one culprit, and views that have the same cause each for itself. */
const alikeOf = ({ subject, kinds, culprit, cause }: Incident): string =>
  culprit === subject && cause.view === null && kinds.every(isOfView) ? cause.code : keyOf({ culprit, cause })

/** A command names no more views. */
const mostTyped = 20

function causeOf(
  key: string,
  alike: [Incident, ...Incident[]],
  { ages, environment }: { ages: Map<string, Found>; environment: string },
): ToldCause {
  const { culprit, cause } = alike.find(({ subject, cause }) => subject === cause.view) ?? alike[0]
  // What several views have in common is not the fault of one of them, unless that one is the culprit.
  const view = alike.length > 1 && cause.view !== culprit ? null : cause.view
  const rank = ({ subject }: ToldSubject) => (subject === view ? 0 : 1)
  const subjects = alike
    .map(({ subject, kinds, openedAt }): ToldSubject => {
      const { ageSeconds = null, maxStalenessSeconds = null } = ages.get(subject) ?? {}
      const isKnown = ageSeconds !== null && maxStalenessSeconds !== null
      return {
        subject,
        kinds,
        since: openedAt,
        ageMs: isKnown ? ageSeconds * 1000 : null,
        limitMs: isKnown ? maxStalenessSeconds * 1000 : null,
      }
    })
    .sort((a, b) => rank(a) - rank(b) || (a.subject < b.subject ? -1 : 1))
  const named = subjects.map(({ subject }) => subject)
  const holdsBack = cause.holdsBack.filter((each) => !named.includes(each))
  const isForEach =
    alike.length > 1 &&
    alike.every(({ subject, cause: { next } }) => next === command(['refresh', subject], environment))
  const next = !isForEach
    ? cause.next
    : named.length > mostTyped
      ? null
      : command(['refresh', ...named], environment)
  const text = view === null && alike.length > 1 ? (wordsOf(cause.code).several ?? cause.text) : cause.text
  const more = moreOf(view, subjects as [ToldSubject])
  return {
    ...cause,
    key,
    culprit,
    view,
    text,
    next,
    more: more && command(more, environment),
    subjects,
    holdsBack,
  }
}

/** What shows more of a cause. */
function moreOf(view: string | null, [first, ...others]: [ToldSubject, ...ToldSubject[]]): string[] | null {
  const [kind] = first.kinds
  if (kind === 'aside' || kind === 'batch' || kind === 'channel') return null
  if (view !== null || others.length === 0) return ['why', view ?? first.subject]
  if (kind === 'failing') return ['ls', '--failed']
  return ['ls', ...(kind === 'stale' || kind === 'missing' || kind === 'paused' ? [`--${kind}`] : [])]
}

/** What keeps most views from being fresh comes first. */
const mostFirst = (a: ToldCause, b: ToldCause): number =>
  b.subjects.length + b.holdsBack.length - (a.subjects.length + a.holdsBack.length) ||
  (a.key < b.key ? -1 : 1)

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
