import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { hearsNews, listenToNews } from '../../../page/app/live/news.ts'

/** A stream of the browser, as a test has it go on. */
class Stream extends EventTarget {
  static readonly CLOSED = 2
  static opened: Stream[] = []
  readyState = 0
  onopen = () => {}
  onerror = () => {}
  readonly url: string
  constructor(url: string) {
    super()
    this.url = url
    Stream.opened.push(this)
  }
  close() {
    this.readyState = Stream.CLOSED
  }
}
const open = () => Stream.opened.filter(({ readyState }) => readyState !== Stream.CLOSED)

let hidden = false
let change = () => {}
const tab = {
  isHidden: () => hidden,
  onChange(listener: () => void) {
    change = listener
    return () => {}
  },
}

beforeEach(() => {
  Stream.opened = []
  hidden = false
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', Stream)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('each event is news, and so are the begin and the break of the stream', () => {
  const onNews = vi.fn()
  const stop = listenToNews(onNews, tab)
  const [stream] = open()
  expect([stream?.url, hearsNews.get()]).toEqual(['/events', false])
  stream?.onopen()
  expect([hearsNews.get(), onNews.mock.calls.length]).toEqual([true, 1])
  for (const type of ['ViewRefreshed', 'BatchEnded', 'changes']) stream?.dispatchEvent(new Event(type))
  expect(onNews).toHaveBeenCalledTimes(4)
  stream?.onerror()
  expect([hearsNews.get(), onNews.mock.calls.length, Stream.opened.length]).toEqual([false, 5, 1])
  stop()
  expect(open()).toEqual([])
})

test('a stream that is refused is asked for again after half a minute', () => {
  const stop = listenToNews(() => {}, tab)
  const [stream] = open()
  stream?.close()
  stream?.onerror()
  vi.advanceTimersByTime(29_000)
  expect(open()).toEqual([])
  vi.advanceTimersByTime(1000)
  expect(open()).toHaveLength(1)
  stop()
  vi.advanceTimersByTime(60_000)
  expect(open()).toEqual([])
})

test('a tab that nobody sees does not listen', () => {
  const stop = listenToNews(() => {}, tab)
  open()[0]?.onopen()
  hidden = true
  change()
  expect([open(), hearsNews.get()]).toEqual([[], false])
  hidden = false
  change()
  expect(open()).toHaveLength(1)
  stop()
})
