import type { Incident, IncidentCause, News } from '../../record/plan/watch.ts'
import { wordsOf } from '../../words/causes.ts'
import { type CommandTarget, command } from '../../words/commands.ts'
import {
  type EventOfCause,
  type IncidentKind,
  incidentKinds,
  isOfView,
  viewKinds,
  kindWords as words,
} from '../../words/event.ts'
import { forPeople } from '../../words/for-people.ts'
import { matchesGlob, withSchema } from '../../words/glob.ts'
import { parseName } from '../../words/names.ts'
import { count, cut, duration, names, utc } from '../../words/phrases.ts'
import { runbookOf } from '../../words/problem.ts'
import type { ChannelFilter, Links, People } from './hearers.ts'
import { type IncidentChange, keyOf, type Tell, theServer } from './incidents.ts'
import type { Finding } from './wrong.ts'

/** What has something wrong, as a notice tells it. */
interface ToldSubject {
  subject: string
  kinds: IncidentKind[]
  since: Date
  /** The age of the data of a stale view and its limit in milliseconds; otherwise null. */
  ageMs: number | null
  limitMs: number | null
}

/** A cause, and what has it. */
interface ToldCause extends IncidentCause {
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
  typed: CommandTarget
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
  found: Finding[],
  { environment, links, typed, now }: People & { now: Date },
): Notice {
  const ages = new Map(found.flatMap((each) => (each.kind === 'stale' ? [[each.name, each] as const] : [])))
  const causes = [...Map.groupBy(open, alikeOf)].map(([key, alike]) =>
    causeOf(key, alike as [Incident], { ages, typed }),
  )
  return {
    links,
    kind: causes.length === 0 ? 'over' : isReminder ? 'reminder' : 'news',
    environment,
    typed,
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
  { ages, typed }: { ages: Map<string, Finding>; typed: CommandTarget },
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
    alike.every(({ subject, cause: { next } }) => next === command(['refresh', subject], typed))
  const next = !isForEach
    ? cause.next
    : named.length > mostTyped
      ? null
      : command(['refresh', ...named], typed)
  const text = view === null && alike.length > 1 ? (wordsOf(cause.code).several ?? cause.text) : cause.text
  const more = moreOf(view, subjects as [ToldSubject])
  return {
    ...cause,
    key,
    culprit,
    view,
    text,
    next,
    more: more && command(more, typed),
    subjects,
    holdsBack,
  }
}

/** What shows more of a cause. */
function moreOf(view: string | null, [first, ...others]: [ToldSubject, ...ToldSubject[]]): string[] | null {
  const [kind] = first.kinds
  if (kind === 'aside' || (kind !== undefined && !isOfView(kind))) return null
  if (view !== null || others.length === 0) return ['why', view ?? first.subject]
  if (kind === 'failing') return ['ls', '--failed']
  return ['ls', ...(kind === 'stale' || kind === 'missing' || kind === 'paused' ? [`--${kind}`] : [])]
}

/** What readers feel most comes first: an error, then old or wrong data. */
const feltFirst: IncidentKind[] = ['missing', 'aside', 'stale', 'wrong', 'failing']
const feltAt = (kinds: IncidentKind[]): number =>
  Math.min(...kinds.map((kind) => feltFirst.indexOf(kind) + 1 || feltFirst.length + 1))
/** An error is worse than what keeps data old, and that is worse than the rest. */
const gravity = ({ subjects }: ToldCause): number => {
  const at = feltAt(subjects.flatMap(({ kinds }) => kinds))
  return at <= 2 ? 0 : at <= feltFirst.length ? 1 : 2
}

/** What readers feel most comes first, then what keeps most views from being fresh. */
const mostFirst = (a: ToldCause, b: ToldCause): number =>
  gravity(a) - gravity(b) ||
  b.subjects.length + b.holdsBack.length - (a.subjects.length + a.holdsBack.length) ||
  (a.key < b.key ? -1 : 1)

/** A function that was set aside has no such name. */
function partsOf(subject: string): string[] {
  try {
    const { schema, name } = parseName(subject)
    return [schema ?? '', name]
  } catch {
    return [subject]
  }
}

/** What of a message passes a filter; null: nothing does. Pure. */
export function heardBy({ kinds, views }: ChannelFilter, tell: Tell): Tell | null {
  const hears = ({ subject, kinds: of }: Incident) =>
    (kinds === undefined || of.some((kind) => kinds.includes(kind))) &&
    (views === undefined ||
      (of.every(isOfView) && views.some((glob) => matchesGlob(withSchema(glob), partsOf(subject)))))
  const [open, resolved] = [tell.open.filter(hears), tell.resolved.filter(hears)]
  return open.length + resolved.length === 0 ? null : { ...tell, open, resolved }
}

/** What has become of an incident, for programs; null if it is not about a view: other events tell that. `found` is what the monitor finds now. */
export function newsOfIncident({ incident, what }: IncidentChange, found: Finding[]): News | null {
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

/** A mail: its subject, and its text with lines. */
export interface Mail {
  /** At most 70 ASCII characters on one line. SNS takes 99. */
  subject: string
  text: string
}

/** The most names that a list has. */
const mostNames = 20
/** The most causes that a mail describes. */
const mostCauses = 10
const longestSubject = 70
const longestPlace = 24
const longestMessage = 1000

/** A notice as a mail for people. */
export function mailOf(notice: Notice): Mail {
  const { causes, over } = notice
  const lined = { ...notice, causes: onOneLine(causes), over: onOneLine(over) }
  return { subject: subjectOf(lined), text: textOf(lined) }
}

/** The same with each text on one line: the name of a view may hold line breaks, which must not look like lines of the mail. */
function onOneLine<T>(value: T): T
function onOneLine(value: unknown): unknown {
  if (typeof value === 'string') return forPeople(value)
  if (Array.isArray(value)) return value.map(onOneLine)
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, onOneLine(each)]))
}

/** A text in characters that SNS takes in a subject: ASCII, one line. */
const plain = (text: string): string => text.replace(/[^\x20-\x7e]+/g, '?').trim()

/** A text that is not too long, cut between words if that is possible. */
function shortened(text: string, longest: number): string {
  if (text.length <= longest) return text
  const begin = text.slice(0, longest - 2)
  return `${(/^(.*?)[\s,;:]+\S*$/.exec(begin)?.[1] ?? '') || begin.slice(0, -1)}...`
}

function subjectOf(notice: Notice): string {
  const { environment, kind } = notice
  const place = ` [${shortened(plain(environment), longestPlace)}]`
  const lead = kind === 'reminder' ? 'reminder: ' : ''
  const longest = longestSubject - place.length
  const lines = kind === 'over' ? [`OK: ${overLine(notice)}`] : headlines(notice)
  const said = lines.map((line) => plain(`${lead}${line}`))
  return (said.find((line) => line.length <= longest) ?? shortened(said.at(-1) ?? '', longest)) + place
}

/** `3 views are stale: public.sales failed, division by zero`, and the same with fewer causes. */
function headlines({ causes }: Notice): string[] {
  const said = wrong(causes)
  const isOne = causes.flatMap(({ subjects }) => subjects).length === 1
  // A name alone, if the kinds say the rest.
  const briefs = [...new Set(causes.flatMap((cause) => brief(cause) ?? (isOne ? [] : (cause.view ?? []))))]
  if (briefs.length === 0) return [said]
  return briefs.map((_, left) => {
    const shown = briefs.slice(0, briefs.length - left).join('; ')
    return `${said === '' ? '' : `${said}: `}${shown}${left === 0 ? '' : '; ...'}`
  })
}

/** `1 view is missing, 3 stale`, each view once; empty if the causes say all. */
function wrong(causes: ToldCause[]): string {
  const told = causes.flatMap((cause) =>
    cause.subjects
      .filter(({ kinds }) => kinds.some(isOfView))
      .map(({ subject, kinds }) => ({
        subject,
        kind: kinds.toSorted((a, b) => feltAt([a]) - feltAt([b]))[0]!,
        isSaid: subject === cause.view && brief(cause) !== null,
      })),
  )
  const [first] = told
  if (first === undefined) return ''
  if (told.length === 1) return first.isSaid ? '' : `${first.subject} is ${words[first.kind]}`
  return [...Map.groupBy(told, ({ kind }) => kind)]
    .sort(([a], [b]) => feltAt([a]) - feltAt([b]))
    .map(([kind, { length }], at) => {
      const views = at === 0 ? `${count(length, 'view')} ${length === 1 ? 'is' : 'are'}` : length
      return `${views} ${words[kind]}`
    })
    .join(', ')
}

/** `public.sales failed, division by zero`; null if the kinds say as much. */
function brief({ code, culprit, view, error, subjects }: ToldCause): string | null {
  const said = wordsOf(code).brief
  const state = error?.message === undefined || code === 'CheckFailed' ? '' : `, ${error.message}`
  if (view !== null) return said === undefined || isSaid(code) ? null : `${view} ${said}${state}`
  if (code === 'Locked') return `${culprit} is in the way`
  if (culprit === theServer) return `${culprit} refuses${state}`
  const [kind] = subjects[0]?.kinds ?? []
  return kind !== undefined && !isOfView(kind) ? `${culprit} ${words[kind]}${state}` : null
}

/** Whether the kind of the incident says as much as the cause. */
const isSaid = (code: ToldCause['code']): boolean =>
  ['Missing', 'SetAside', 'Paused', 'Suspended', 'LagTooShort', 'Slow', 'WrongSlices', 'Lost'].includes(code)

/** `public.sales is well again`, `3 views are well again` */
function overLine({ over }: Notice): string {
  const [first] = over
  if (first === undefined || over.length > 1) return `${count(over.length, 'view')} are well again`
  if (first.kinds[0] === 'batch') return `${first.subject} needs nothing any more`
  return `${first.subject} ${first.kinds[0] === 'channel' ? 'takes messages again' : 'is well again'}`
}

function textOf(notice: Notice): string {
  const { environment, typed, kind, at, causes, over } = notice
  const left = causes.length - mostCauses
  const begin = kind === 'reminder' ? `Still so in ${environment}` : `In ${environment}`
  return [
    ...(causes.length > 0 ? [`${begin}, ${utc(at)}:`] : []),
    ...causes.slice(0, mostCauses).map((cause) => causeText(cause, notice)),
    ...(left > 0 ? [`And ${count(left, 'more cause')}: ${command(['ls', '--failed'], typed)}`] : []),
    ...(over.length > 0 ? [overText(notice)] : []),
  ]
    .join('\n\n')
    .concat('\n')
}

function causeText(cause: ToldCause, { links }: Notice): string {
  const { text, next, more, view, batchId, subjects, holdsBack, runbook } = cause
  const [first] = subjects
  const lines = subjects.length === 1 && first?.kinds.join() !== 'stale' ? [] : subjectLines(subjects)
  return [
    cut(text, longestMessage),
    ...lines,
    ...(holdsBack.length > 0 ? [`  Waiting for it, with old data: ${names(holdsBack, mostNames)}.`] : []),
    '',
    ...(next === null ? [] : [`  Next: ${next}`]),
    ...(more === null ? [] : [`  More: ${more}`]),
    ...onPage(view, batchId, links),
    `  ${runbookOf(runbook, links.runbookUrl)}`,
  ].join('\n')
}

/** The place of a view or a batch on the page. */
function onPage(view: string | null, batchId: string | null, { pageUrl }: Links): string[] {
  if (pageUrl === undefined || (view === null && batchId === null)) return []
  const place = view === null ? `batches/${batchId}` : `views/${encodeURIComponent(view)}`
  return [`  ${pageUrl.replace(/\/$/, '')}/page/${place}`]
}

function subjectLines(subjects: ToldSubject[]): string[] {
  const shown = subjects.slice(0, mostNames)
  const width = Math.max(...shown.map(({ subject }) => subject.length))
  const lines = shown.map(({ subject, kinds, ageMs, limitMs, since }) => {
    const age =
      ageMs === null || limitMs === null ? '' : `, data ${duration(ageMs)} old, limit ${duration(limitMs)}`
    return `  ${subject.padEnd(width)}  ${kinds.map((kind) => words[kind]).join(', ')} since ${utc(since)}${age}`
  })
  const left = subjects.length - mostNames
  return left > 0 ? [...lines, `  and ${left} more`] : lines
}

function overText(notice: Notice): string {
  const { over, environment } = notice
  const lines = over
    .slice(0, mostNames)
    .map(
      ({ subject, since, over }) =>
        `  ${subject} was not well for ${duration(over.getTime() - since.getTime())}, until ${utc(over)}`,
    )
  const left = over.length - mostNames
  return [
    `In ${environment}, ${overLine(notice)}.`,
    ...lines,
    ...(left > 0 ? [`  and ${left} more`] : []),
  ].join('\n')
}

/** On one line of a chat: in code no text is a link, and none calls a person. */
export const asCode = (text: string): string => `\`${text.replaceAll('`', "'")}\``

/** The same, of several lines. */
export const fenced = (text: string): string => `\`\`\`\n${text.replaceAll('```', "'''")}\n\`\`\``

const longestDescription = 7_500
const mostSubjects = 20
const mostChatCauses = 10

/**
 * A notice as JSON, in the form that Amazon Q Developer in chat applications (AWS Chatbot) shows in a channel: the
 * mail's subject and text. The notice itself is JSON in `metadata.additionalContext.notice`, for programs. Notices of
 * the same cause, and of its end, have the same `threadId`.
 * https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
 */
export function chatOf(notice: Notice): object {
  const { subject, text } = mailOf(notice)
  const { environment, kind, causes, over } = notice
  return {
    version: '1.0',
    source: 'custom',
    content: {
      textType: 'client-markdown',
      title: asCode(subject),
      description: fenced(cut(text, longestDescription)),
    },
    metadata: {
      threadId: `${environment} ${causes[0]?.key ?? over[0]?.key ?? kind}`.slice(0, 100),
      summary: subject,
      eventType: `viewkeeper-${kind}`,
      additionalContext: { environment, kind, notice: JSON.stringify(short(notice)) },
    },
  }
}

/** Bounded: the commands of the notice list everything. */
const short = ({ typed: _, ...notice }: Notice) => ({
  ...notice,
  causes: notice.causes.slice(0, mostChatCauses).map((cause) => ({
    ...cause,
    subjects: cause.subjects.slice(0, mostSubjects),
  })),
  over: notice.over.slice(0, mostSubjects),
})
