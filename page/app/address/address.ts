/** The pages: each list has a place in the header, and most have a page for each of their items. */
export const pages = [
  { list: 'views', item: 'view', title: 'Views' },
  { list: 'graph', item: null, title: 'Graph' },
  { list: 'batches', item: 'batch', title: 'Batches' },
  { list: 'runs', item: 'run', title: 'Runs' },
  { list: 'actions', item: null, title: 'Actions' },
] as const
type Page = (typeof pages)[number]
type PageName = Page['list'] | NonNullable<Page['item']>

/** Where the page is, as its address says it. */
export interface Place {
  page: PageName | 'unknown'
  /** The view, batch or run that the page is about. */
  subject: string
  /** Filters, order and the like. */
  query: Record<string, string>
}

/** The place that a hash names: `#/views/public.sales`, `#/?state=stale`. */
export function placeOf(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#?\/?/, '').split('?')
  const [room = '', ...rest] = path.split('/')
  const subject = decode(rest.join('/'))
  const query = Object.fromEntries(new URLSearchParams(search))
  const found = pages.find(({ list }) => list === (room || 'views'))
  return { page: found?.[subject === '' ? 'list' : 'item'] ?? 'unknown', subject, query }
}

/** The hash of a place. Empty parameters are left out. */
export function hashOf(
  page: PageName,
  subject: string | number = '',
  query: Record<string, string | undefined> = {},
): string {
  const filled = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  const search = new URLSearchParams(filled).toString()
  const { list } = pages.find((each) => each.list === page || each.item === page)!
  const room = page === list ? (list === 'views' ? '' : list) : `${list}/${encode(String(subject))}`
  return `#/${room}${search && `?${search}`}`
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
