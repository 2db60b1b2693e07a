import { viewsAbove } from '../catalog/plan/graph.ts'
import type { Schedules } from '../due/schedules.ts'
import { lockEvents, writeEvents } from '../record/events/outbox.ts'
import type { Judgement } from '../record/plan/watch.ts'
import { readIncidents, writeIncidents } from '../record/watch/incidents.ts'
import { mayNote, readClock } from '../record/watch/looks.ts'
import type { Sql } from '../server/database.ts'
import { withTransaction } from '../server/transactions.ts'
import type { CommandTarget } from '../words/commands.ts'
import type { IncidentKind } from '../words/event.ts'
import { examineViews } from './examine.ts'
import type { Hearers } from './plan/hearers.ts'
import { keepIncidents, type Tell } from './plan/incidents.ts'
import { type Besides, judgeFound, needsFacts, noViews } from './plan/judge.ts'
import { chatOf, heardBy, mailOf, newsOfIncident, noticeOf } from './plan/notice.ts'
import type { Finding } from './plan/wrong.ts'
import { readStandings } from './standings.ts'

/**
 * Judges what was found at `readAt`, opens, changes and resolves incidents by that, and writes down with them the events for programs and
 * the message for people; returns of whom people are told. What is open stays so if all its kinds are `unseen`. Nothing, if another monitor has noted what it read later.
 */
export async function noteIncidents(
  sql: Sql,
  found: Finding[],
  besides: Besides,
  {
    readAt,
    schedules,
    unseen,
    telling,
    programs,
    people,
  }: Hearers & { readAt: Date; schedules: Schedules; unseen: ReadonlySet<IncidentKind> },
): Promise<Set<string>> {
  const { typed } = people ?? programs ?? { typed: null }
  const judged = await judge(sql, found, besides, { schedules, typed })
  return withTransaction(sql, async (transaction) => {
    await lockEvents(transaction)
    if (!(await mayNote(transaction, readAt))) return new Set()
    const isFound = new Set(found.map(({ name }) => name))
    const all = await readIncidents(transaction, [...isFound])
    const known = all.filter(
      ({ subject, kinds }) => isFound.has(subject) || !kinds.every((kind) => unseen.has(kind)),
    )
    const now = await readClock(transaction)
    const kept = keepIncidents(known, found, judged, { now, telling: people && telling })
    const { written, changes, tell } = kept
    await writeIncidents(transaction, written)
    const events = programs === null ? [] : changes.flatMap((each) => newsOfIncident(each, found) ?? [])
    if (people !== null && tell !== null) {
      const told = (tell: Tell) => noticeOf(tell, found, { ...people, now })
      const filtered = Object.entries(people.filters ?? {}).flatMap(([channel, filter]) => {
        const heard = heardBy(filter, tell)
        return heard === null ? [] : [[channel, mailOf(told(heard))] as const]
      })
      const notice = told(tell)
      const detail = { ...mailOf(notice), chat: chatOf(notice), filtered: Object.fromEntries(filtered) }
      events.push({ type: 'Message', subject: 'people', at: now, detail })
    }
    await writeEvents(transaction, events)
    return new Set(tell?.open.map(({ subject }) => subject))
  })
}

/** Why what is wrong is so, by the rules of `viewkeeper why`. */
async function judge(
  sql: Sql,
  found: Finding[],
  besides: Besides,
  { schedules, typed }: { schedules: Schedules; typed: CommandTarget },
): Promise<Map<string, Judgement>> {
  const wrong = new Set(found.flatMap((each) => (needsFacts(each, besides) ? [each.name] : [])))
  if (wrong.size === 0) return judgeFound(found, besides, { ...noViews, typed })
  const standings = await readStandings(sql, schedules)
  const { now, views, dependencies: reads, pause: allPaused } = standings
  const above = new Set([...wrong].flatMap((name) => viewsAbove(name, reads)))
  // The locks of a few views are read: of those that are wrong before those above them.
  const concerned = [
    ...views.filter(({ view }) => wrong.has(view)),
    ...views.filter(({ view }) => above.has(view) && !wrong.has(view)),
  ]
  const examined = await examineViews(sql, concerned, standings)
  return judgeFound(found, besides, {
    now,
    typed,
    allPaused,
    reads,
    views: new Map(examined.map((each) => [each.view, each])),
    ages: new Map(views.map(({ view, asOf }) => [view, asOf])),
  })
}
