import { Idiomorph } from 'idiomorph'

// The page works without this script. With it, links and forms change what differs instead of the whole page, and the page follows what
// happens: at each event of the server's stream, else every 15 s, and every 1.5 s while something goes on.

const busyMs = 1500
const quietMs = 15_000
/** While events come by themselves, for what is no event, such as a schedule that begins a run. */
const safetyMs = 60_000
const typingMs = 300

const find = <Found extends HTMLElement = HTMLElement>(selector: string, within: ParentNode = document) =>
  within.querySelector<Found>(selector)
const main = () => find('main')!

// What is shown.

let turn = 0
let failures = 0
/** The page on the screen. */
let shown = location.pathname
/** What a person has asked for and is not there yet: a look waits for it. */
let asking = 0

/** Asks for a page, and shows it. What was asked for later wins. `how`: what the address becomes, or that it stays. */
async function show(address: string, how: 'push' | 'replace' | 'stay', init?: RequestInit): Promise<void> {
  const mine = ++turn
  let answered: Response
  let text: string
  try {
    answered = await fetch(address, { ...init, headers: { accept: 'text/html' } })
    text = await answered.text()
  } catch {
    if (mine === turn) silence(true)
    return
  }
  if (mine !== turn) return
  const next = new DOMParser().parseFromString(text, 'text/html')
  // What a proxy says in its stead, or another server that has its port by now.
  if (!find('#main', next)) return silence(true)
  silence(false)
  for (const time of next.querySelectorAll('time')) inZone(time)
  const place = answered.redirected ? answered.url : how === 'stay' ? location.href : address
  const isOther = new URL(place).pathname !== shown
  shown = new URL(place).pathname
  if (place !== location.href) history[how === 'replace' ? 'replaceState' : 'pushState'](null, '', place)
  document.title = next.title
  document.body.toggleAttribute('data-busy', next.body.hasAttribute('data-busy'))
  for (const selector of ['header nav', '.skip', '.notices']) morph(find(selector)!, find(selector, next)!)
  if (isOther) {
    main().replaceWith(find('main', next)!)
    find('h1')?.focus({ preventScroll: true })
    scrollTo(0, 0)
  } else morph(main(), find('main', next)!)
  question(find<HTMLDialogElement>('#asked', next))
  tellChosen()
  watchEnd()
}

/** Shows what a person has asked for, and then looks how it goes on. */
async function go(...to: Parameters<typeof show>): Promise<void> {
  asking++
  await show(...to)
  asking--
  lookIn(busyMs)
}

/** What a person has typed, chosen or opened stays as it is. */
const morph = (old: Element, fresh: Element) =>
  Idiomorph.morph(old, fresh, {
    callbacks: {
      beforeNodeMorphed: (node) =>
        !(
          node instanceof Element && node.matches('input:not([type="hidden"]), select, dialog[open], .copied')
        ),
    },
  })

/** Asks what a deed wants to know. Escape says no, and gives the focus back. */
function question(asked: HTMLDialogElement | null): void {
  find('#asked')?.remove()
  if (!asked) return
  const before = document.activeElement as HTMLElement | null
  document.body.append(asked)
  asked.open = false
  asked.addEventListener('close', () => {
    asked.remove()
    before?.focus()
  })
  asked.showModal()
}

/** Says that what is on the screen is old, because nobody answers. */
function silence(is: boolean): void {
  failures = is ? failures + 1 : 0
  const strip = find('#silence')!
  if (!is) find('time', strip)!.setAttribute('datetime', new Date().toISOString())
  inZone(find('time', strip) as HTMLTimeElement)
  strip.hidden = !is
}

/** Moments stand in UTC, as sentences have them; the tooltip has them in the reader's zone: `2026-11-20 10:00:00 GMT+1`. */
function inZone(time: HTMLTimeElement): void {
  const at = new Date(time.dateTime)
  const zone = new Intl.DateTimeFormat('en', { timeZoneName: 'short' })
    .formatToParts(at)
    .find(({ type }) => type === 'timeZoneName')?.value
  const local = `${at.toLocaleString('sv-SE')} ${zone}`
  if (zone !== 'UTC') time.title = `${local} · ${time.title}`
}

// When it is looked at.

let timer: ReturnType<typeof setTimeout> | undefined
let hears = false

function lookIn(ms: number): void {
  clearTimeout(timer)
  timer = setTimeout(look, ms)
}

let looking = false
let again = false

/** Looks again at what is shown, if somebody sees it, and goes on. Many calls in a row are one look more. */
async function look(): Promise<void> {
  clearTimeout(timer)
  again = looking
  if (looking) return
  looking = true
  if (!document.hidden && asking === 0 && !find('dialog[open]')) await show(location.href, 'stay')
  looking = false
  if (again) return lookSoon()
  const isBusy = 'busy' in document.body.dataset
  if (failures > 0) lookIn(Math.min(30_000, busyMs * 2 ** failures))
  else lookIn(isBusy ? busyMs : hears ? safetyMs : quietMs)
}

let soon = false
function lookSoon(): void {
  if (soon) return
  soon = true
  setTimeout(() => {
    soon = false
    look()
  }, 100)
}

/** Listens to these events while somebody sees the page: a browser opens six connections to a server, for all tabs together. */
function listen(events: string[]): void {
  let stream: EventSource | undefined
  const follow = () => {
    stream?.close()
    hears = false
    if (document.hidden) return
    stream = new EventSource('events')
    stream.onopen = () => {
      hears = true
      lookSoon()
    }
    // The browser opens a stream again that breaks off, and gives a stream up that is refused.
    stream.onerror = () => {
      hears = false
      lookSoon()
      if (stream?.readyState === EventSource.CLOSED) setTimeout(follow, 30_000)
    }
    for (const type of events) stream.addEventListener(type, lookSoon)
  }
  document.addEventListener('visibilitychange', follow)
  follow()
}

// What people do.

addEventListener('click', (event) => {
  const { target } = event
  if (!(target instanceof Element) || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey)
    return
  if (target.closest('#silence button')) return void look()
  const copy = target.closest<HTMLElement>('[data-copy]')
  if (copy) return void copied(copy)
  const link = target.closest<HTMLAnchorElement | SVGAElement>('a[href]')
  if (!link || link.matches('.skip')) return
  const place = new URL(link.getAttribute('href')!, document.baseURI)
  if (place.origin !== location.origin) return
  event.preventDefault()
  if (!link.closest('.notice')) keepTold(place)
  // A part of a name that is typed, and not yet asked for, is not lost by a chip.
  const typed = link.closest('.filters') && find<HTMLInputElement>('.filters input[type="search"]')
  if (typed) typed.value ? place.searchParams.set('q', typed.value) : place.searchParams.delete('q')
  if (link.matches('[data-grows], .close')) return void go(place.href, 'replace')
  clearTimeout(typing)
  go(place.href, 'push')
})

/** What goes on is told on the next page, too. */
function keepTold(place: URL): void {
  const told = find('.notice-busy') && new URL(location.href).searchParams.get('told')
  if (told) place.searchParams.set('told', told)
}

/** What a form has sent that is not answered yet: a second click sends it no second time, and what was typed since is sent. */
const sent = new Map<HTMLFormElement, string>()

addEventListener('submit', (event) => {
  const form = event.target as HTMLFormElement
  if (form.method === 'dialog') return
  event.preventDefault()
  if (form.method === 'get') return ask(form)
  const body = new URLSearchParams(new FormData(form, event.submitter) as unknown as Record<string, string>)
  if (sent.get(form) === `${body}`) return
  sent.set(form, `${body}`)
  find<HTMLDialogElement>('#asked')?.close()
  go(form.action, 'stay', { method: 'POST', body }).finally(() => {
    if (sent.get(form) === `${body}`) sent.delete(form)
  })
})

/** Asks for the page that a form of filters names. */
function ask(form: HTMLFormElement): void {
  clearTimeout(typing)
  const filled = [...new FormData(form)].filter(([, value]) => value !== '') as [string, string][]
  const place = new URL(form.getAttribute('action')!, document.baseURI)
  place.search = new URLSearchParams(filled).toString()
  keepTold(place)
  go(place.href, 'replace')
}

let typing: ReturnType<typeof setTimeout> | undefined

/** Asks for what is typed, once what was sent before is answered. What stands on a page that is gone is not asked for. */
function askSoon(form: HTMLFormElement): void {
  clearTimeout(typing)
  typing = setTimeout(() => {
    if (sent.size > 0) askSoon(form)
    else if (form.isConnected) ask(form)
  }, typingMs)
}

addEventListener('input', ({ target }) => {
  const { form } = target as HTMLInputElement
  if (form?.className !== 'filters') return
  if (target instanceof HTMLSelectElement) ask(form)
  else askSoon(form)
})

addEventListener('change', ({ target }) => {
  const box = target as HTMLInputElement
  if (box.name === 'all')
    for (const each of document.querySelectorAll<HTMLInputElement>('input[name="view"]'))
      each.checked = box.checked
  if (box.name === 'view' && !box.checked) {
    const all = find<HTMLInputElement>('input[name="all"]')
    if (all) all.checked = false
  }
  tellChosen()
  const keys = find<HTMLInputElement>('#keys input')!
  if (box === keys) localStorage.setItem('keys', keys.checked ? 'on' : 'off')
})
addEventListener('reset', () => setTimeout(tellChosen))

/** Says how many views are chosen. */
function tellChosen(): void {
  const said = find('#chosen strong')
  const all = find<HTMLInputElement>('input[name="all"]:checked')
  const boxes = document.querySelectorAll<HTMLInputElement>('input[name="view"]')
  if (all) for (const each of boxes) each.checked = true
  const many = all ? Number(all.value) : [...boxes].filter(({ checked }) => checked).length
  if (said) said.textContent = `${many.toLocaleString('en')} ${many === 1 ? 'view' : 'views'} chosen`
}

async function copied(button: HTMLElement): Promise<void> {
  await navigator.clipboard.writeText(button.dataset.copy!)
  button.textContent = 'copied'
  button.classList.add('copied')
  setTimeout(() => {
    button.textContent = 'copy'
    button.classList.remove('copied')
  }, 2000)
}

/** What single keys do, unless somebody types, or answers a question. */
const keys: Record<string, () => void> = {
  '/': () => find('main input[type="search"]')?.focus(),
  r: () => {
    const inRow = document.activeElement?.closest('tr')
    ;(inRow
      ? find('[aria-keyshortcuts="r"]', inRow)
      : find('main [aria-keyshortcuts="r"]:not(td *)')
    )?.click()
  },
  '?': () => find('#keys')!.showPopover(),
}

addEventListener('keydown', (event) => {
  const { key, target } = event
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !(target instanceof Element)) return
  const next = target.matches('.node') && walk(target as SVGAElement, key)
  const deed = Object.hasOwn(keys, key) && localStorage.getItem('keys') !== 'off' && keys[key]
  if (!next && (!deed || target.closest('input:not([type="checkbox"]), select, dialog'))) return
  event.preventDefault()
  if (next) next.focus()
  else if (deed && !find('#keys:popover-open')) deed()
})

/** The box of the graph that an arrow key leads to: along an arrow, or to the next one of the same column. */
function walk(from: SVGAElement, key: string): SVGAElement | undefined {
  const boxes = [...document.querySelectorAll<SVGAElement>('.node')]
  const here = from.getBoundingClientRect()
  const nearest = (those: SVGAElement[]) =>
    those
      .map((box) => ({ box, far: Math.abs(box.getBoundingClientRect().y - here.y) }))
      .sort((a, b) => a.far - b.far)[0]?.box
  const along = (mine: 'from' | 'to', theirs: 'from' | 'to') => {
    const arrows = [...document.querySelectorAll<SVGPathElement>('.arrows path')]
    const there = arrows
      .filter(({ dataset }) => dataset[mine] === from.dataset.view)
      .map(({ dataset }) => dataset[theirs])
    return nearest(boxes.filter(({ dataset }) => there.includes(dataset.view)))
  }
  const beside = (isThere: (y: number) => boolean) =>
    nearest(
      boxes.filter((box) => {
        const { x, y, right } = box.getBoundingClientRect()
        return x < here.right && right > here.x && isThere(y)
      }),
    )
  if (key === 'ArrowLeft') return along('to', 'from')
  if (key === 'ArrowRight') return along('from', 'to')
  if (key === 'ArrowUp') return beside((y) => y < here.y)
  return key === 'ArrowDown' ? beside((y) => y > here.y) : undefined
}

/** A list grows when its end comes into sight. */
const growing = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) if (isIntersecting) (target as HTMLElement).click()
})
function watchEnd(): void {
  growing.disconnect()
  const end = find('[data-grows]')
  if (end) growing.observe(end)
}

for (const time of document.querySelectorAll('time')) inZone(time)
for (const box of document.querySelectorAll<HTMLInputElement>('#keys input'))
  box.checked = localStorage.getItem('keys') !== 'off'
question(find<HTMLDialogElement>('#asked'))
tellChosen()
watchEnd()
addEventListener('popstate', () => {
  clearTimeout(typing)
  go(location.href, 'stay')
})
document.addEventListener('visibilitychange', look)
addEventListener('online', look)
const { events } = document.body.dataset
if (events) listen(events.split(' '))
lookIn('busy' in document.body.dataset ? busyMs : quietMs)
