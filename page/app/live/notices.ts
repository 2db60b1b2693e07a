import { makeStore } from '../store/store.ts'

/** What the page tells about something that was done, or that went wrong. */
export interface Notice {
  id: number
  tone: 'good' | 'bad' | 'busy'
  text: string
  /** What to do about it. */
  more?: string | undefined
  link?: { href: string; text: string } | undefined
}

export const notices = makeStore<Notice[]>([])

const most = 4
const shownMs = 8000
let lastId = 0

/** Shows a notice. A notice of a failure stays until it is closed; any other goes by itself. */
export function notify(notice: Omit<Notice, 'id'>): void {
  const id = ++lastId
  notices.set([...notices.get(), { id, ...notice }].slice(-most))
  if (notice.tone !== 'bad') setTimeout(close, shownMs, id)
}

export const close = (id: number): void => notices.set(notices.get().filter((each) => each.id !== id))
