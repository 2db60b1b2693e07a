import { type Trouble, troubles } from '../../events/plan/troubles.ts'
import { command } from '../../sql/commands.ts'
import { causeTones, wordsOf } from '../diagnosis/cause.ts'
import { type NewsKind, newsKinds } from './alarms.ts'
import {
  type AlarmWords,
  emptyNotice,
  type Links,
  type Notice,
  type ToldCause,
  type TroubledView,
} from './notice.ts'
import { Causes } from './notice-causes.ts'
import type { Alarm, NoticeFacts, ToldTrouble } from './notice-facts.ts'

/** What a notice tells of, so that it is not told again. */
export interface Covered {
  batches: string[]
  told: { trouble: Trouble; name: string; stamp: string }[]
  /** This notice tells the news of these kinds: a later alarm of such a kind sends no second notice. */
  kinds: NewsKind[]
  /** News of these kinds have explained an alarm already: the next alarm of such a kind has to be explained by other news. */
  spent: NewsKind[]
  /** When the facts were read. What happens later is not told. */
  at: Date
}

export interface PlannedNotice {
  /** Null: there is nothing to tell. */
  notice: Notice | null
  /** What is told, or needs no telling. */
  covered: Covered
}

/** Who asks for a notice: alarms, or, without an alarm, the clock. */
export interface NoticeRequest {
  environment: string
  alarms: Alarm[]
  links?: Links
}

/** A command names no more views. */
const mostTyped = 20

/** News that no alarm has told of after this time are told by the clock. Alarms need up to three minutes. */
const waitMs = 5 * 60_000

const nothing = { batches: [], told: [], kinds: [], spent: [] }

/**
 * Plans what people are told now: everything of which no notice has told yet, by causes. Views that are stale because
 * another view failed stand below that view, and are told once. An alarm that neither these news nor a notice since its
 * beginning explain is told in its own words: silence has to be justified. Pure.
 */
export function planNotice(facts: NoticeFacts, { environment, alarms, links }: NoticeRequest): PlannedNotice {
  const news = newsOf(facts, alarms)
  if (alarms.length === 0 && !news.hasWaited(waitMs))
    return { notice: null, covered: { ...nothing, at: facts.now } }

  const find = new Causes(facts, environment)
  const { begun, ended, batches } = news
  const loud = begun.filter((each) => !isToldWithOthers(each, facts, find))
  const newBatches = batches.filter(
    ({ error, hasFailingView }) => !(error.class === 'ViewsFailed' && hasFailingView),
  )
  const causes = merged([
    ...loud.map((each) => find.ofTrouble(each)),
    ...newBatches.map((each) => find.ofBatch(each)),
    ...facts.slow.map((each) => find.ofSlow(each)),
  ])
  const lasting = facts.told.filter(({ overAt }) => overAt === null)
  for (const each of lasting) {
    const cause = causes.get(find.ofTrouble(each).key)
    if (cause !== undefined && (each.isNews || isShared(cause))) cause.views.push(troubledView(each, facts))
  }
  for (const cause of causes.values()) {
    arrange(cause)
    if (cause.view === null && cause.views.length > 0) Object.assign(cause, forAll(cause, environment))
  }

  const told = causes.size > 0 || ended.length > 0
  const unexplained = alarms
    .filter((alarm) => !isExplained(alarm, news.kinds, facts))
    .map(({ words }) => words)
  // An execution can fail without a batch on record, so one batch explains one alarm.
  const spent: NewsKind[] = alarms.some(({ kind, words }) => kind === 'batches' && isLoud(words))
    ? ['batches']
    : []
  const tests = alarms.map(({ words }) => words).filter(({ test }) => test)
  const isReminder = begun.every(({ known }) => known) && newBatches.length + facts.slow.length === 0
  const notice: Notice = {
    ...emptyNotice(environment, facts.now, links),
    kind:
      causes.size > 0
        ? isReminder && unexplained.length === 0
          ? 'reminder'
          : 'news'
        : unexplained.length > 0
          ? 'alarm'
          : told
            ? 'over'
            : 'test',
    causes: [...causes.values()].sort(mostViewsFirst),
    over: ended.map(({ name, trouble, beganAt, overAt }) => ({
      view: name,
      trouble,
      since: beganAt,
      over: overAt as Date,
    })),
    inAll: Object.fromEntries(
      troubles.map((trouble) => [trouble, lasting.filter((each) => each.trouble === trouble).length]),
    ) as Notice['inAll'],
    alarms: [...tests, ...unexplained],
  }
  return {
    notice: told || notice.alarms.length > 0 ? notice : null,
    covered: {
      batches: batches.map(({ id }) => id),
      told: [...begun, ...ended].map(({ trouble, name, stamp }) => ({ trouble, name, stamp })),
      kinds: news.kinds.filter((kind) => !spent.includes(kind)),
      spent,
      at: facts.now,
    },
  }
}

function newsOf(facts: NoticeFacts, alarms: Alarm[]) {
  const { now, batches, slow } = facts
  const fresh = facts.told.filter(({ isNews }) => isNews)
  const begun = fresh.filter(({ overAt }) => overAt === null)
  const something = begun.length + batches.length + slow.length > 0
  /** The end of a trouble is told with other news, or when nothing has that trouble any more. */
  const ended = fresh.filter(
    ({ overAt, trouble }) =>
      overAt !== null &&
      (something || !facts.told.some((each) => each.trouble === trouble && each.overAt === null)),
  )
  const kinds = newsKinds.filter((kind) => {
    if (kind === 'batches') return batches.length > 0
    if (kind === 'slow') return slow.length > 0 && alarms.some((alarm) => alarm.kind === 'slow')
    return [...begun, ...ended].some(({ trouble }) => trouble === kind)
  })
  return {
    begun,
    ended,
    batches,
    kinds,
    hasWaited: (ms: number): boolean =>
      [
        ...begun.map(({ toldAt }) => toldAt),
        ...ended.map(({ overAt }) => overAt as Date),
        ...batches.map(({ finishedAt }) => finishedAt),
      ].some((at) => now.getTime() - at.getTime() > ms),
  }
}

/**
 * Whether a notice has named the view already, with the view above it that is at fault, or has said that everything is
 * paused. The next reminder names it again.
 */
function isToldWithOthers(told: ToldTrouble, facts: NoticeFacts, find: Causes): boolean {
  const { name, trouble, known } = told
  if (known || trouble !== 'stale') return false
  const { key, view, code } = find.ofTrouble(told)
  if (view === name || (view === null && code !== 'AllPaused')) return false
  return facts.told.some(
    (other) =>
      other.name !== name &&
      other.trouble === 'stale' &&
      other.overAt === null &&
      other.known &&
      !other.isNews &&
      find.ofTrouble(other).key === key,
  )
}

/**
 * An alarm is explained by news of its kind, or by a notice of its kind since the alarm began. Ends need no
 * explanation.
 */
function isExplained({ words, kind, since }: Alarm, kinds: NewsKind[], { covered }: NoticeFacts): boolean {
  if (!isLoud(words)) return true
  if (kind === null) return false
  const at = covered[kind]
  return kinds.includes(kind) || (at !== undefined && at >= since)
}

const isLoud = ({ test, state }: AlarmWords): boolean => !test && state === 'ALARM'

/** Whether views have the cause in common. Views that nothing refreshes may have nothing to do with each other. */
const isShared = ({ code, view, batchId }: ToldCause): boolean =>
  view !== null || batchId !== null || wordsOf(code).isOne === true

const merged = (causes: ToldCause[]): Map<string, ToldCause> => {
  const byKey = new Map<string, ToldCause>()
  for (const cause of causes)
    if (!isOlder(cause, byKey.get(cause.key))) byKey.set(cause.key, { ...cause, views: [] })
  return byKey
}

const isOlder = ({ at }: ToldCause, other: ToldCause | undefined): boolean =>
  other !== undefined && (other.at?.getTime() ?? 0) >= (at?.getTime() ?? 0)

function troubledView({ name, trouble, beganAt }: ToldTrouble, { views }: NoticeFacts): TroubledView {
  const { staleMs = null, maxStaleMs = null } = (trouble === 'stale' && views.get(name)) || {}
  const isKnown = staleMs !== null && maxStaleMs !== null
  return {
    view: name,
    trouble,
    ageMs: isKnown ? staleMs : null,
    limitMs: isKnown ? maxStaleMs : null,
    since: beganAt,
  }
}

/** The view at fault comes first, and no view stands in both lists. */
function arrange(cause: ToldCause): void {
  const rank = ({ view }: TroubledView) => (view === cause.view ? 0 : 1)
  cause.views.sort((a, b) => rank(a) - rank(b) || (a.view < b.view ? -1 : 1))
  const listed = new Set(cause.views.map(({ view }) => view))
  cause.behind = cause.behind.filter((view) => !listed.has(view))
}

/** What is said and typed for all views below a cause, if no view is at fault. */
function forAll(
  { code, text, views, look, mend }: ToldCause,
  environment: string,
): Pick<ToldCause, 'text' | 'look' | 'mend'> {
  const { several, isOne } = wordsOf(code)
  const tone = causeTones[code]
  const all = views.map(({ view }) => view)
  const [first] = all
  const needsNone = isOne || tone === 'busy' || tone === 'good' || all.length > mostTyped
  return {
    text: all.length > 1 ? (several ?? text) : text,
    look:
      look.length > 0 ? look : [command(all.length === 1 ? ['why', first!] : ['ls', '--stale'], environment)],
    mend: mend ?? (needsNone ? null : command(['refresh', ...all], environment)),
  }
}

const mostViewsFirst = (a: ToldCause, b: ToldCause): number =>
  b.views.length + b.behind.length - (a.views.length + a.behind.length) || (a.key < b.key ? -1 : 1)
