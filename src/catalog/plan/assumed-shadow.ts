import { unquoted } from '../../words/names.ts'
import type { GrantDefinition, ViewDefinition } from './definition.ts'
import type { Grant, LiveView } from './live-view.ts'

/** A query as the server writes it, and its columns. */
export interface ReadQuery {
  definition: string
  columns: { name: string; type: string }[]
}

/**
 * The shadow of a view as it would be, for a login that may not make one. The server has read the query only. An index is
 * taken for the live one of that name if both are written alike. Pure.
 */
export function assumedShadow(live: LiveView, wanted: ViewDefinition, query: ReadQuery): LiveView {
  return {
    ...live,
    view: { ...live.view, definition: query.definition, comment: wanted.comment },
    columns: query.columns.map((column) => ({ ...plainColumn, ...column })),
    indexes: wanted.indexes.map(({ name, unique = false, on }) => {
      const found = live.indexes.find((index) => index.name === name)
      return found?.unique === unique && alike(found.rest, on)
        ? found
        : { ...plainIndex, name, unique, rest: on }
    }),
    grants: wanted.grants.flatMap((grant) => grantsOf(grant, live)),
  }
}

/** The server writes `USING btree` before the columns; an author may leave it out. */
const alike = (a: string, b: string): boolean => withoutMethod(a) === withoutMethod(b)
const withoutMethod = (rest: string): string =>
  rest
    .trim()
    .replace(/^using btree /i, '')
    .replace(/^using /i, 'using ')
    .replace(/\s+/g, ' ')

function grantsOf(
  { privileges, columns, to, grantOption = false }: GrantDefinition,
  { view, grants }: LiveView,
): Grant[] {
  const grantee = grants.find((grant) => unquoted(grant.grantee) === to)?.grantee ?? to
  return privileges.flatMap((privilege) =>
    (columns ?? [null]).map((column) => ({
      privilege: privilege.toUpperCase(),
      column,
      grantee,
      grantable: grantOption,
      grantor: view.owner,
    })),
  )
}

const plainColumn = {
  statistics: null,
  options: [],
  storage: null,
  compression: null,
  default: null,
  comment: null,
}

const plainIndex = {
  hasExpressions: false,
  tablespace: null,
  clustered: false,
  comment: null,
  statistics: [],
  extensions: [],
}
