import { hashOf } from '../address/address.ts'
import { makeStore } from '../store/store.ts'

/** What single keys do, in the order of the help. A key of two letters is typed one after the other. */
export const keys = {
  '/': 'search',
  'g v': 'go to the views',
  'g g': 'go to the graph',
  'g b': 'go to the batches',
  'g r': 'go to the runs',
  'g a': 'go to the actions',
  r: 'refresh the view, or retry what failed; in the list of views, the row that has the focus',
  '?': 'show these keys',
} as const
type Keys = keyof typeof keys

/** Whether the help is shown. */
export const help = makeStore(false)

const stored = 'keys'

/** Whether single keys do anything: somebody who dictates says them by chance. */
export const keysAreOn = makeStore(localStorage.getItem(stored) !== 'off')
keysAreOn.subscribe(() => localStorage.setItem(stored, keysAreOn.get() ? 'on' : 'off'))

const deeds: Record<Keys, () => void> = {
  '/': () => find('input[type="search"]')?.focus(),
  'g v': () => go('views'),
  'g g': () => go('graph'),
  'g b': () => go('batches'),
  'g r': () => go('runs'),
  'g a': () => go('actions'),
  r: () => (inRow() ?? find(`${has('r')}:not(td *)`))?.click(),
  '?': () => help.set(true),
}

const has = (key: string) => `[aria-keyshortcuts="${key}"]`
const find = (selector: string) => document.querySelector<HTMLElement>(`main ${selector}`)
const inRow = () => document.activeElement?.closest('tr')?.querySelector<HTMLElement>(has('r'))
const go = (page: 'views' | 'graph' | 'batches' | 'runs' | 'actions') => location.assign(hashOf(page))

const longestBetweenMs = 1500

/** Does what single keys say, unless somebody types a text or answers a question. Returns what ends that. */
export function listenToKeys(): () => void {
  let first = { key: '', at: 0 }
  const listen = (event: KeyboardEvent) => {
    const { key, target, timeStamp } = event
    if (!keysAreOn.get() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
    if ((target as Element).closest('input:not([type="checkbox"]), select, dialog')) return
    const pair = deeds[`${first.key} ${key}` as Keys]
    // A second key that comes late does nothing: alone it may mean something that nobody meant.
    const isLate = pair !== undefined && timeStamp - first.at >= longestBetweenMs
    const deed = isLate ? () => {} : (pair ?? deeds[key as Keys])
    first = { key, at: timeStamp }
    if (!deed) return
    first = { key: '', at: 0 }
    event.preventDefault()
    deed()
  }
  addEventListener('keydown', listen)
  return () => removeEventListener('keydown', listen)
}
