import { makeStore } from '../store/store.ts'
import type { Surroundings } from './poll.ts'

/** What the stream of events is called, and what it is heard to say: the events, and that something is about to change. */
const types = ['ViewRefreshed', 'ViewFailed', 'BatchEnded', 'TroubleBegan', 'TroubleEnded', 'changes']

/** Whether events come by themselves, so that hardly anything has to be asked for. */
export const hearsNews = makeStore(false)

const againMs = 30_000

/**
 * Listens to the events of the gateway while somebody sees the page, and calls `onNews` for each, and whenever the stream begins
 * or breaks off. A tab that nobody sees does not listen: a browser opens six connections to a server, for all tabs together.
 */
export function listenToNews(onNews: () => void, around: Surroundings): () => void {
  let stream: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const hears = (is: boolean) => {
    if (hearsNews.get() === is) return
    hearsNews.set(is)
    onNews()
  }
  const close = () => {
    clearTimeout(timer)
    stream?.close()
    stream = undefined
  }
  const follow = () => {
    close()
    if (around.isHidden()) return hears(false)
    stream = new EventSource('/events')
    stream.onopen = () => hears(true)
    // The browser opens a stream again that breaks off, and gives a stream up that is refused.
    stream.onerror = () => {
      hears(false)
      if (stream?.readyState === EventSource.CLOSED) timer = setTimeout(follow, againMs)
    }
    for (const type of types) stream.addEventListener(type, onNews)
  }
  const end = around.onChange(follow)
  follow()
  return () => {
    end()
    close()
    hearsNews.set(false)
  }
}
