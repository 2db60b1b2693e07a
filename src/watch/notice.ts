import { type Schedules, unscheduled } from '../batch/schedules.ts'
import type { Database, Sql } from '../server/connect.ts'
import { readClock, readEndedBatches, readSlowRuns, readTold } from './db/notice-facts.ts'
import { confirmNotice, noteCovered, readCovered, takeNotice } from './db/notice-lease.ts'
import { examineViews } from './examine.ts'
import type { Notice } from './plan/notice.ts'
import type { NoticeFacts } from './plan/notice-facts.ts'
import { type NoticeRequest, planNotice } from './plan/notice-plan.ts'
import { readStandings } from './standings.ts'

/**
 * What a sender of notices learns. `busy`: another sender is at it, so ask again. With a notice comes a token, to
 * confirm that the notice is published.
 */
export type NoticeAnswer =
  | { busy: true }
  | { busy: false; notice: null }
  | { busy: false; notice: Notice; token: string }

/** From the answer to the confirmation. A sender takes seconds; one that takes longer has died. */
const leaseSeconds = 45

/**
 * Says what people have to be told now. `holder` names the sender, the same at each of its retries. The sender
 * publishes the notice and then confirms it: if the sender dies in between, the same is told twice rather than never.
 * There is nothing to confirm if there is no notice.
 */
export const prepareNotice = (
  database: Database,
  holder: string,
  request: NoticeRequest,
  schedules: Schedules = unscheduled,
): Promise<NoticeAnswer> =>
  database.withConnection(async (sql) => {
    const token = await takeNotice(sql, holder, leaseSeconds)
    if (token === null) return { busy: true }
    const { notice, covered } = planNotice(await readFacts(sql, request, schedules), request)
    if (!(await noteCovered(sql, token, covered))) return { busy: true }
    if (notice !== null) return { busy: false, notice, token }
    await confirmNotice(sql, token)
    return { busy: false, notice }
  })

/** Notes that the notice with this token is published. False if another sender has taken over in the meantime. */
export const confirm = (database: Database, token: string): Promise<boolean> =>
  database.withConnection((sql) => confirmNotice(sql, token))

/** Reads little if nothing is new. */
async function readFacts(sql: Sql, { alarms }: NoticeRequest, schedules: Schedules): Promise<NoticeFacts> {
  const covered = await readCovered(sql)
  const slowAlarm = alarms.find(({ kind }) => kind === 'slow')
  const slowSince = slowAlarm && new Date(Math.max(slowAlarm.since.getTime(), covered.slow?.getTime() ?? 0))
  const news = {
    now: await readClock(sql),
    covered,
    told: await readTold(sql),
    batches: await readEndedBatches(sql),
    slow: slowSince === undefined ? [] : await readSlowRuns(sql, slowSince),
  }
  if (news.told.length + news.batches.length + news.slow.length === 0)
    return { ...news, views: new Map(), reads: new Map(), pause: null }
  const standings = await readStandings(sql, schedules)
  const { views, dependencies, pause } = standings
  // The locks of a few views are read: of those that are news before all others.
  const named = new Set(news.told.map(({ name }) => name))
  const newsFirst = views.toSorted((a, b) => Number(named.has(b.view)) - Number(named.has(a.view)))
  const examined = await examineViews(sql, newsFirst, { ...standings, now: news.now, schedules })
  return { ...news, views: new Map(examined.map((each) => [each.view, each])), reads: dependencies, pause }
}
