import type { Incident, Judgement } from '../../record/plan/watch.ts'
import { causeTones } from '../../words/causes.ts'
import { incidentKinds } from '../../words/event.ts'
import type { Telling } from './hearers.ts'
import type { Finding } from './wrong.ts'

/** The culprit if the server has no room, memory or connection left for any view. */
export const theServer = 'the server'

/** What a look has changed about an incident. */
export interface IncidentChange {
  incident: Incident
  what: 'Opened' | 'Changed' | 'Resolved'
}

/** What a message tells. */
export interface Tell {
  /** Everything is known to them, and lasts. */
  isReminder: boolean
  open: Incident[]
  resolved: Incident[]
}

/** What a look makes of the incidents. */
export interface KeptIncidents {
  /** Those that are not as they were. */
  written: Incident[]
  changes: IncidentChange[]
  /** Null: people are told nothing now. */
  tell: Tell | null
}

/** Nobody wants to hear of a pause more often. */
const pausesApartMs = 7 * 24 * 3600_000

/** Equal as long as the same thing is wrong for the same reason. */
export const keyOf = ({ culprit, cause: { code, error } }: Judgement): string =>
  [code, culprit, error?.class, error?.sqlstate].filter(Boolean).join(' ')

/**
 * What becomes of the incidents by what a look has found. `judged` says why; of what is not in it, the cause is what it was. People are
 * told of what is new, of a new cause, each day of what lasts, and of its end; of one culprit once, however many views wait for it.
 * Messages about one culprit are some minutes apart; what comes sooner waits. `telling` null: nobody is told, and what is wrong stays untold. Pure.
 */
export function keepIncidents(
  known: Incident[],
  found: Finding[],
  judged: Map<string, Judgement>,
  { now, telling }: { now: Date; telling: Telling | null },
): KeptIncidents {
  const before = new Map(known.map((each) => [each.subject, each]))
  const after = new Map(before)
  const changes: IncidentChange[] = []
  const change = (what: IncidentChange['what'], incident: Incident) => {
    after.set(incident.subject, incident)
    changes.push({ incident, what })
  }
  for (const [subject, of] of Map.groupBy(found, ({ name }) => name)) {
    const kinds = incidentKinds.filter((kind) => of.some((each) => each.kind === kind))
    const old = before.get(subject)
    const judgement = judged.get(subject) ?? old
    if (judgement === undefined) continue
    const { culprit, cause } = judgement
    if (old === undefined || old.resolvedAt !== null) {
      const { toldAt = null, toldCause = null } = old ?? {}
      const opened = { openedAt: now, changedAt: now, resolvedAt: null }
      change('Opened', { subject, kinds, culprit, cause, ...opened, toldAt, toldCause })
      continue
    }
    const { culprit: by, cause: why } = replaces(judgement, old) ? judgement : old
    const next = { ...old, kinds, culprit: by, cause: why }
    if (keyOf(next) !== keyOf(old) || kinds.join() !== old.kinds.join())
      change('Changed', { ...next, changedAt: now })
    else if (why.runId !== old.cause.runId || why.batchId !== old.cause.batchId) after.set(subject, next)
  }
  const lasts = new Set(found.map(({ name }) => name))
  for (const old of known)
    if (old.resolvedAt === null && !lasts.has(old.subject)) change('Resolved', { ...old, resolvedAt: now })
  const tell = telling && whatToTell(after, now, telling)
  return { written: [...after.values()].filter((each) => each !== before.get(each.subject)), changes, tell }
}

/** Whether a cause takes the place of another: not that something goes on, nor the end at a lock whose holder was seen before. */
function replaces({ cause }: Judgement, { cause: old }: Judgement): boolean {
  const isSeen = old.code === 'Locked' && cause.runId === old.runId && cause.error?.class === 'LockTimeout'
  return !isSeen && !['busy', 'good'].includes(causeTones[cause.code])
}

/** Marks what is told as told. */
function whatToTell(
  after: Map<string, Incident>,
  now: Date,
  { remindSeconds, apartSeconds }: Telling,
): Tell | null {
  const all = [...after.values()]
  const isLongerAgo = (at: Date | null, ms: number) => at !== null && now.getTime() - at.getTime() >= ms
  const noteTold = (incident: Incident, toldCause: string | null, toldAt: Date | null = now) =>
    after.set(incident.subject, { ...incident, toldCause, toldAt })
  // The clock of the server may have been set back.
  const isRecent = ({ toldAt }: Incident) =>
    toldAt !== null && toldAt <= now && !isLongerAgo(toldAt, apartSeconds * 1000)
  const toldOf = new Set(all.filter(isRecent).map(({ culprit }) => culprit))
  const isHeld = ({ culprit }: Incident) => toldOf.has(culprit)
  const open = all.filter(({ resolvedAt }) => resolvedAt === null)
  const isKnown = (each: Incident) => each.toldCause === keyOf(each)
  const fresh: Incident[] = []
  for (const each of open.filter((one) => !isKnown(one))) {
    const waits = each.culprit !== each.subject
    const other = waits ? open.find((one) => isKnown(one) && keyOf(one) === keyOf(each)) : undefined
    // They know the culprit; or the old cause is gone, and a refresh is all that is left to do.
    const isNoNews = other !== undefined || (each.toldCause !== null && isLeft(each))
    if (isNoNews) noteTold(each, keyOf(each), (other ?? each).toldAt)
    else if (!isHeld(each)) fresh.push(each)
  }
  const lasting = remindSeconds === null ? [] : open.filter(isKnown)
  const isDue = ({ kinds, toldAt }: Incident) =>
    isLongerAgo(
      toldAt,
      Math.max(
        (remindSeconds ?? 0) * 1000,
        apartSeconds * 1000,
        kinds.join() === 'paused' ? pausesApartMs : 0,
      ),
    )
  const reminded = lasting.some((each) => isDue(each))
    ? lasting.filter(
        (each) =>
          isDue(each) || (each.kinds.join() !== 'paused' && isLongerAgo(each.toldAt, apartSeconds * 1000)),
      )
    : []
  const resolved = all.filter(
    (each) =>
      each.resolvedAt !== null &&
      each.toldCause !== null &&
      !isHeld(each) &&
      !open.some(({ culprit }) => culprit === each.culprit),
  )
  if (fresh.length + reminded.length + resolved.length === 0) return null
  for (const each of [...fresh, ...reminded]) noteTold(each, keyOf(each))
  for (const each of resolved) noteTold(each, null)
  // Whoever is told of a culprit is told of all that wait for it.
  const culprits = new Set([...fresh, ...reminded].map(keyOf))
  return {
    isReminder: fresh.length === 0,
    open: open.filter((each) => culprits.has(keyOf(each))),
    resolved,
  }
}

/** Whether a view that was ill waits only for its next refresh: a skip says no more than what was told before. */
const isLeft = ({ cause: { code } }: Incident): boolean => code === 'Skipped' || causeTones[code] === 'idle'
