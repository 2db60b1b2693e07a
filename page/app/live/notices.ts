import { makeStore } from '../store/store.ts'

/** What the page tells about something that was done, or that went wrong. */
export interface Notice {
  id: number
  tone: 'good' | 'bad' | 'busy'
  text: string
  /** What the notice is about, such as `run 812`: a later notice about it takes the place of this one. */
  about?: string
  /** What to do about it. */
  more?: string | undefined
  link?: { href: string; text: string } | undefined
}

export const notices = makeStore<Notice[]>([])

const most = 4
const shownMs = 8000
let lastId = 0

/**
 * Shows a notice. A notice of a failure stays until it is closed; any other goes by itself. What is said already is not
 * said again.
 */
export function notify(notice: Omit<Notice, 'id'>): void {
  const { about, text, tone } = notice
  const shown = notices.get()
  if (about !== undefined && shown.some((each) => each.about === about && each.text === text)) return
  const id = ++lastId
  const others = shown.filter((each) => about === undefined || each.about !== about)
  notices.set([...others, { id, ...notice }].slice(-most))
  if (tone !== 'bad') setTimeout(close, shownMs, id)
}

export const close = (id: number): void => notices.set(notices.get().filter((each) => each.id !== id))
