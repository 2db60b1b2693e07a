/** The cookie that keeps the token of whoever has signed in. */
export const tokenCookie = 'viewkeeper-token'

/** Filters, order and the like, as the address of a page has them. */
export type PageQuery = Record<string, string | undefined>

/** The pages: each list has a place in the header, and most have a page for each of their items. */
export const pages = [
  { list: 'views', item: 'view', title: 'Views' },
  { list: 'graph', item: null, title: 'Graph' },
  { list: 'batches', item: 'batch', title: 'Batches' },
  { list: 'runs', item: 'run', title: 'Runs' },
  { list: 'actions', item: null, title: 'Actions' },
] as const
type Page = (typeof pages)[number]
export type PageName = Page['list'] | NonNullable<Page['item']>

/**
 * The address of a page, below where the pages stand: `page/runs?status=failed`, `page/views/app.sales`. Empty parameters are left
 * out.
 */
export function hrefOf(page: PageName, subject: string | number = '', query: PageQuery = {}): string {
  const search = searchOf(query)
  const { list } = pages.find((each) => each.list === page || each.item === page)!
  if (page === 'views') return `./${search}`
  return `page/${list}${page === list ? '' : `/${encode(String(subject))}`}${search}`
}

const searchOf = (query: PageQuery): string => {
  const filled = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  return filled.length === 0 ? '' : `?${new URLSearchParams(filled)}`
}

/** Percent-encodes what has a meaning in an address, and leaves quotes and dots readable. */
const encode = (text: string) => encodeURIComponent(text).replaceAll('%22', '"')
