import { useEffect, useState } from 'preact/hooks'
import { asProblem, get } from '../api/client.ts'
import type { ApiProblem } from '../api/problem.ts'
import { hearsNews } from './news.ts'
import { type Poll, type Surroundings, startPoll } from './poll.ts'

/** The tab that this page is in. */
export const tab: Surroundings = {
  isHidden: () => document.hidden,
  onChange(listener) {
    document.addEventListener('visibilitychange', listener)
    addEventListener('online', listener)
    return () => {
      document.removeEventListener('visibilitychange', listener)
      removeEventListener('online', listener)
    }
  },
}

/** What the API said last, and why the last look failed, if it did. */
export interface Live<T> {
  data: T | undefined
  problem: ApiProblem | undefined
}

const busyMs = 1500
const quietMs = 15_000
/** While events come by themselves, for what is no event, such as a schedule that begins a run. */
const safetyMs = 60_000

/** The polls of the components on the screen. */
const polls = new Set<Poll>()
/** The last answers, so that a page that was seen before is there at once. */
const answers = new Map<string, unknown>()
const mostAnswers = 50

/** Looks at everything on the screen at once: something was changed. */
export function lookNow(): void {
  for (const poll of polls) poll.now()
}

/** Looks at everything on the screen soon: something has happened elsewhere. */
export function lookSoon(): void {
  for (const poll of polls) poll.soon()
}

/**
 * What `load` returns, kept up to date while the component is on the screen: every 1.5 s while busy, else every
 * 15 s; if events tell what happens, at each event, and every 60 s. `key` names what is loaded; null loads nothing.
 * `busy` reads from the data whether something goes on; if other data say that, `busy` is what they say, and each
 * change of it looks at once.
 */
export function useLive<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  busy: boolean | ((data: T) => boolean) = false,
): Live<T> {
  const [live, setLive] = useState<Live<T> & { key: string | null }>({
    key: null,
    data: undefined,
    problem: undefined,
  })
  useEffect(() => {
    if (key === null) return
    const show = (data: T | undefined, problem?: ApiProblem) => setLive({ key, data, problem })
    show(answers.get(key) as T | undefined)
    const poll = startPoll(async (signal) => {
      try {
        const data = await load(signal)
        if (signal.aborted) return quietMs
        remember(key, data)
        show(data)
        if (typeof busy === 'function' ? busy(data) : busy) return busyMs
        return hearsNews.get() ? safetyMs : quietMs
      } catch (thrown) {
        if (!signal.aborted) show(answers.get(key) as T | undefined, asProblem(thrown))
        throw thrown
      }
    }, tab)
    polls.add(poll)
    return () => {
      polls.delete(poll)
      poll.stop()
    }
  }, [key, busy === true])
  // Until the effect has run, the state is still the one of the key before.
  return live.key === key
    ? live
    : { data: key === null ? undefined : (answers.get(key) as T | undefined), problem: undefined }
}

/** What `GET path` answers, kept up to date as `useLive` does. */
export const useGet = <Body>(path: string, busy?: boolean | ((body: Body) => boolean)): Live<Body> =>
  useLive(path, (signal) => get<Body>(path, signal), busy)

function remember(key: string, data: unknown) {
  answers.delete(key)
  answers.set(key, data)
  if (answers.size > mostAnswers) answers.delete(answers.keys().next().value!)
}
