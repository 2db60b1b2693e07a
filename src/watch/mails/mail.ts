import { type Trouble, troubles, troubleWords as words } from '../../events/plan/troubles.ts'
import { command } from '../../sql/commands.ts'
import { printed } from '../../sql/names.ts'
import { runbookOf } from '../../sql/runbook.ts'
import { count, cut, duration, names, utc } from '../../sql/words.ts'
import { causes as causeWords, wordsOf } from '../diagnosis/cause.ts'
import type { AlarmWords, EndedTrouble, Links, Notice, ToldCause, TroubledView } from '../plan/notice.ts'

/** A mail: its subject, and its text with lines. */
export interface Mail {
  /** At most 99 ASCII characters on one line, which is what SNS takes. */
  subject: string
  text: string
}

/** The most names that a list has. */
const mostNames = 20
/** The most causes that a mail describes. */
const mostCauses = 10
const longestSubject = 99
const longestMessage = 1000

/** A notice as a mail for people. */
export function mailOf(notice: Notice): Mail {
  // The words of an alarm may have lines of their own.
  const { causes, over, lacking } = notice
  const lined = { ...notice, causes: onOneLine(causes), over: onOneLine(over), lacking: onOneLine(lacking) }
  return { subject: subjectOf(lined), text: textOf(lined) }
}

/** The place of a view or a batch on the page. */
function onPage({ view, batchId }: ToldCause, { pageUrl }: Links): string[] {
  if (pageUrl === undefined || (view === null && batchId === null)) return []
  const place = view === null ? `batches/${batchId}` : `views/${encodeURIComponent(view)}`
  return [`  ${pageUrl.replace(/\/$/, '')}/page/${place}`]
}

/** The same with each text on one line: the name of a view may hold line breaks, which must not look like lines of the mail. */
function onOneLine<T>(value: T): T
function onOneLine(value: unknown): unknown {
  if (typeof value === 'string')
    return printed(value).replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ')
  if (Array.isArray(value)) return value.map(onOneLine)
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, onOneLine(each)]))
}

/** A text that SNS takes as a subject, whatever it says: ASCII, one line, not too long. */
export function asSubject(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]+/g, '?').trim()
  return plain.length <= longestSubject ? plain : `${plain.slice(0, longestSubject - 3)}...`
}

function subjectOf(notice: Notice): string {
  const { environment, kind, causes, over, alarms } = notice
  const prefix = kind === 'reminder' ? 'reminder: ' : ''
  if (causes.length > 0) return asSubject(`[${environment}] ${prefix}${headline(notice)}`)
  const [alarm] = alarms
  if (kind === 'test') return asSubject(`[${environment}] test of ${alarm?.name}: nothing new is wrong`)
  if (alarm !== undefined && kind === 'alarm')
    return asSubject(
      `[${environment}] ${alarm.name}${alarm.state === 'OK' ? ' is over' : `: ${alarm.happened}`}`,
    )
  return asSubject(`[${environment}] OK: ${overLine(notice, over)}`)
}

/** `3 views are stale: public.sales failed` */
function headline(notice: Notice): string {
  const { causes } = notice
  const [first] = causes
  const said = troublesOf(notice)
  if (said === '') return causes.map(brief).join(', ')
  const because = first!.view !== null && isNews(first!) ? `: ${brief(first!)}` : ''
  return `${said}${because}`
}

/** The views of a cause that its text does not tell of: that the view at fault fails is said there. */
const besidesFault = ({ view: fault, views }: ToldCause): TroubledView[] =>
  views.filter(({ view, trouble }) => trouble !== 'failing' || view !== fault)

/** `3 views are stale, public.old is missing`; empty if no view has a trouble. */
function troublesOf({ kind, causes }: Notice): string {
  const views = causes.flatMap(besidesFault)
  const said = troubles.flatMap((trouble) => {
    const troubled = views.filter((each) => each.trouble === trouble).map(({ view }) => view)
    if (troubled.length === 0) return []
    const still = kind === 'reminder' ? 'still ' : ''
    return [
      troubled.length === 1
        ? `${troubled[0]} is ${still}${words[trouble]}`
        : `${troubled.length} views are ${still}${words[trouble]}`,
    ]
  })
  return said.join(', ')
}

/** Whether the cause says more than the trouble of its view. */
const isNews = ({ code }: ToldCause): boolean => code !== 'Missing' && code !== 'SetAside'

const brief = ({ code, view, batchId, error, text }: ToldCause): string => {
  if (view === null && batchId === null) return text.replace(/\.$/, '')
  const isNamed = error !== null && (code === 'Failed' || code === 'Locked')
  const state = isNamed ? ` (${[error.class, error.sqlstate].filter(Boolean).join(', ')})` : ''
  return `${view ?? `batch ${batchId}`} ${wordsOf(code).brief ?? causeWords.Failed.brief}${state}`
}

function overLine({ inAll }: Notice, over: EndedTrouble[]): string {
  const [first] = over
  if (first === undefined) return 'nothing is wrong'
  if (inAll[first.trouble] === 0) return `no view is ${words[first.trouble]} any more`
  return `${over.length === 1 ? `${first.view} is` : `${over.length} views are`} not ${words[first.trouble]} any more`
}

function textOf(notice: Notice): string {
  const { environment, kind, causes, over, alarms } = notice
  const type = (...typed: string[]) => command(typed, environment)
  const left = causes.length - mostCauses
  return [
    ...(kind === 'test' ? [testText(alarms)] : []),
    ...(causes.length > 0 ? [opening(notice)] : []),
    ...causes.slice(0, mostCauses).map((cause) => causeText(cause, notice)),
    ...(left > 0 ? [`And ${count(left, 'more cause')}: ${type('ls', '--failed')}`] : []),
    ...besides(notice),
    ...(over.length > 0 ? [overText(notice)] : []),
    ...(kind === 'test' ? [] : alarms.map((alarm) => alarmText(alarm, notice.links))),
    ...(notice.lacking === null ? [] : [notice.lacking]),
  ]
    .join('\n\n')
    .concat('\n')
}

function opening(notice: Notice): string {
  const { environment, kind, causes, alarms } = notice
  const said = troublesOf(notice)
  const [since] = causes.flatMap(({ at }) => at ?? []).sort((one, other) => one.getTime() - other.getTime())
  const begin = `${kind === 'reminder' ? 'Still so in' : 'In'} ${environment}${since ? `, since ${utc(since)}` : ''}:`
  const lines = [said === '' ? begin : `${said} in ${environment}.`]
  if (kind === 'reminder')
    lines.push('This mail is a reminder: an earlier mail has told of this trouble, and the trouble lasts.')
  if (alarms.some(({ test }) => test)) lines.push('The alarm itself is a test; the news are real.')
  return lines.join('\n')
}

function causeText(cause: ToldCause, { at, links }: Notice): string {
  const { code, text, runId, batchId, nextTryAt, behind, look, next, mend, runbook } = cause
  return [
    cut(text, longestMessage),
    ...(nextTryAt && nextTryAt > at ? [`  The batch tries again at ${utc(nextTryAt)}.`] : []),
    ...viewLines(besidesFault(cause), code === 'Missing'),
    ...(behind.length > 0 ? [`  Waiting for it, with old data: ${names(behind, mostNames)}.`] : []),
    '',
    ...look.map((line) => `  ${line}`),
    ...(next === null ? [] : [`  Next: ${next}`]),
    ...(mend === null
      ? []
      : [`  ${runId === null && batchId === null ? 'To refresh now' : 'When the cause is gone'}: ${mend}`]),
    ...onPage(cause, links),
    `  ${runbookOf(runbook, links.runbookUrl)}`,
  ].join('\n')
}

function viewLines(views: TroubledView[], isTitle: boolean): string[] {
  if (isTitle && views.length === 1) return []
  const width = Math.max(...views.slice(0, mostNames).map(({ view }) => view.length))
  const lines = views.slice(0, mostNames).map(({ view, trouble, ageMs, limitMs, since }) => {
    const age =
      ageMs === null || limitMs === null ? '' : `, data ${duration(ageMs)} old, limit ${duration(limitMs)}`
    return `  ${view.padEnd(width)}  ${words[trouble]} since ${utc(since)}${age}`
  })
  const left = views.length - mostNames
  return left > 0 ? [...lines, `  and ${left} more`] : lines
}

/** Views with a trouble that an earlier notice has told of, and lists that are cut. */
function besides({ environment, causes, inAll }: Notice): string[] {
  if (causes.length === 0) return []
  const named = causes.slice(0, mostCauses).flatMap(({ views }) => views.slice(0, mostNames))
  const lines = troubles.flatMap((trouble) =>
    inAll[trouble] > named.filter((each) => each.trouble === trouble).length
      ? [
          `${count(inAll[trouble], 'view')} ${inAll[trouble] === 1 ? 'is' : 'are'} ${words[trouble]} in all: ${allOf(trouble, environment)}`,
        ]
      : [],
  )
  return lines.length === 0 ? [] : [lines.join('\n')]
}

const filterOf: Partial<Record<Trouble, string[]>> = {
  failing: ['--failed'],
  stale: ['--stale'],
  missing: ['--missing'],
  paused: ['--paused'],
}

const allOf = (trouble: Trouble, environment: string): string =>
  trouble === 'aside'
    ? 'viewkeeper put-back --dry-run'
    : command(['ls', ...(filterOf[trouble] ?? [])], environment)

function overText(notice: Notice): string {
  const { over, environment } = notice
  const lines = over
    .slice(0, mostNames)
    .map(
      ({ view, trouble, since, over }) =>
        `  ${view} was ${words[trouble]} for ${duration(over.getTime() - since.getTime())}, until ${utc(over)}`,
    )
  const left = over.length - mostNames
  return [
    `In ${environment}, ${overLine(notice, over)}.`,
    ...lines,
    ...(left > 0 ? [`  and ${left} more`] : []),
  ].join('\n')
}

const testText = ([alarm]: AlarmWords[]): string =>
  [
    `This mail is a test of alarm ${alarm?.name}. Nothing new is wrong.`,
    'It came the way that a real one takes.',
  ].join('\n')

function alarmText(
  { name, state, happened, first, runbook, reason, at }: AlarmWords,
  { runbookUrl }: Links,
): string {
  return [
    ...(state === 'OK' ? ['The alarm is over. It had said:'] : []),
    happened,
    ...(first === null ? [] : [`First: ${first}`]),
    '',
    ...(runbook === null ? [] : [`  ${runbookOf(runbook, runbookUrl)}`]),
    `  Alarm ${name}, state ${state}${at === null ? '' : ` since ${utc(at)}`}. ${oneLine(reason)}`.trimEnd(),
  ].join('\n')
}

/** A text without line breaks and control characters, not too long. */
const oneLine = (text: string): string => cut(text.replace(/\p{Cc}+/gu, ' '), longestMessage)
