import { makeStore } from '../store/store.ts'

/** What single keys do, in the order of the help. */
export const keys = {
  '/': 'search',
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
  r: () => (inRow() ?? find(`${has('r')}:not(td *)`))?.click(),
  '?': () => help.set(true),
}

const has = (key: string) => `[aria-keyshortcuts="${key}"]`
const find = (selector: string) => document.querySelector<HTMLElement>(`main ${selector}`)
const inRow = () => document.activeElement?.closest('tr')?.querySelector<HTMLElement>(has('r'))

/** Does what single keys say, unless somebody types a text or answers a question. Returns what ends that. */
export function listenToKeys(): () => void {
  const listen = (event: KeyboardEvent) => {
    const { key, target } = event
    if (!keysAreOn.get() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
    if ((target as Element).closest('input:not([type="checkbox"]), select, dialog')) return
    const deed = deeds[key as Keys]
    if (!deed) return
    event.preventDefault()
    deed()
  }
  addEventListener('keydown', listen)
  return () => removeEventListener('keydown', listen)
}
