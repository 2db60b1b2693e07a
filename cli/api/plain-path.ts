import { readViews } from '../../src/api/reads.ts'
import { Problem } from '../../src/problem.ts'
import { parseName } from '../../src/sql/names.ts'
import type { Api } from './api.ts'

/** Characters that no program encodes. A name of dots only is left out, because URLs drop such a name. */
const isPlain = (segment: string): boolean => /^(?!\.+$)[A-Za-z0-9_.~-]+$/.test(segment)

/** For this long (ms) a view's id is known, so that a page about the view does not list all views each time. */
const knownForMs = 60_000

/**
 * Writes paths for requests that are signed: a view whose name needs percent-encoding is named by its id, because
 * programs that sign encode such names differently. UnknownView: no view has the name, or the view has no id yet.
 */
export function plainPaths(api: Pick<Api, 'send'>): (path: string) => Promise<string> {
  const ids = new Map<string, { id: string; until: number }>()
  return async (path) => {
    const [route = '', ...query] = path.split('?')
    const [root, collection, item, ...rest] = route.split('/')
    if (item === undefined || isPlain(item)) return path
    if (collection !== 'views') throw new Problem('UnknownRoute', `There is no ${route}.`)
    const name = decode(item)
    let known = ids.get(name)
    if (known === undefined || known.until < Date.now()) {
      known = { id: await idOf(api, name), until: Date.now() + knownForMs }
      ids.set(name, known)
    }
    return [[root, collection, known.id, ...rest].join('/'), ...query].join('?')
  }
}

/** Decodes percent-encoded text. A text with a stray `%` stays as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

async function idOf(api: Pick<Api, 'send'>, written: string): Promise<string> {
  const { schema, name } = parseName(written)
  const { views } = await readViews(api)
  const found = views.filter((each) => each.name === name && (schema === null || each.schema === schema))
  const [view, ...others] = found
  if (view === undefined) throw new Problem('UnknownView', `${written} is not a materialized view.`)
  if (others.length > 0)
    throw new Problem(
      'InvalidRequest',
      `${written} is the name of ${found.map((each) => each.view).join(' and ')}: write it with its schema.`,
      { field: 'view' },
    )
  if (view.id === null)
    throw new Problem(
      'UnknownView',
      `${view.view} has no id yet, and its name cannot be signed. The monitor gives it an id within some minutes: try again then.`,
    )
  return String(view.id)
}
