/** Where the page is, as its address says it. */
export interface Place {
  page: 'views' | 'view' | 'graph' | 'batches' | 'batch' | 'runs' | 'run' | 'actions' | 'unknown'
  /** The view, batch or run that the page is about. */
  subject: string
  /** Filters, order and the like. */
  query: Record<string, string>
}

const lists = {
  '': 'views',
  views: 'views',
  graph: 'graph',
  batches: 'batches',
  runs: 'runs',
  actions: 'actions',
} as const
const items = { views: 'view', batches: 'batch', runs: 'run' } as const

/** The place that a hash names: `#/views/public.sales`, `#/?state=stale`. */
export function placeOf(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#?\/?/, '').split('?')
  const [room = '', ...rest] = path.split('/')
  const subject = decode(rest.join('/'))
  const query = Object.fromEntries(new URLSearchParams(search))
  const page = subject === '' ? lists[room as keyof typeof lists] : items[room as keyof typeof items]
  return { page: page ?? 'unknown', subject, query }
}

const rooms = {
  views: '',
  view: 'views/',
  graph: 'graph',
  batches: 'batches',
  batch: 'batches/',
  runs: 'runs',
  run: 'runs/',
  actions: 'actions',
}

/** The hash of a place. Empty parameters are left out. */
export function hashOf(
  page: Exclude<Place['page'], 'unknown'>,
  subject: string | number = '',
  query: Record<string, string | undefined> = {},
): string {
  const filled = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  const search = new URLSearchParams(filled).toString()
  return `#/${rooms[page]}${encode(String(subject))}${search && `?${search}`}`
}

/** Percent-encodes what has a meaning in an address, and leaves quotes and dots readable. */
const encode = (text: string) => encodeURIComponent(text).replaceAll('%22', '"')

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // somebody typed a stray %
  }
}
