import { displayPart, unquoted } from '../../sql/names.ts'
import { tokensIn } from '../../sql/sql-tokens.ts'
import { type Definition, definitionDefaults, type GrantDefinition } from './definition.ts'
import { authoredGrants } from './differences.ts'
import { describeGrant } from './grants.ts'
import type { Grant, LiveView } from './live-view.ts'

/**
 * A live view as a definition that names this owner. `leftOut` says in words what a definition cannot hold: the live view keeps it,
 * but a view that is created from the definition lacks it. Pure.
 */
export function definitionOf(
  live: LiveView,
  owner: string | null,
): { definition: Definition; leftOut: string[] } {
  const { view, columns, indexes, statistics } = live
  const definition: Definition = {
    ...definitionDefaults,
    schema: view.schema,
    name: view.name,
    sql: withoutIndent(view.definition),
    indexes: indexes.map(({ name, unique, rest }) => ({
      name,
      ...(unique ? { unique } : {}),
      on: rest.trim().replace(/^USING /, 'using '),
    })),
    comment: view.comment,
    grants: grantDefinitions(authoredGrants(live)),
    owner,
    settings: {},
    dependsOn: [],
  }
  const leftOut = [
    ...(view.options.length + view.toastOptions.length > 0 ? ['storage options'] : []),
    ...(view.tablespace === null ? [] : ['its tablespace']),
    ...grantorsOf(live),
    ...statistics.map(({ name }) => `statistics ${displayPart(name)}`),
    ...columns.flatMap((column) => [
      ...(column.comment === null ? [] : [`the comment on column ${displayPart(column.name)}`]),
      ...(column.statistics !== null ||
      column.storage !== null ||
      column.compression !== null ||
      column.options.length > 0
        ? [`settings of column ${displayPart(column.name)}`]
        : []),
    ]),
    ...indexes.flatMap((index) =>
      index.comment !== null || index.tablespace !== null || index.clustered || index.statistics.length > 0
        ? [`comment, tablespace, cluster mark or statistics of index ${displayPart(index.name)}`]
        : [],
    ),
  ]
  return { definition, leftOut }
}

/** The grantors that a definition cannot keep: where it makes the view, the owner grants all. */
export const grantorsOf = (live: LiveView): string[] =>
  authoredGrants(live)
    .filter(({ grantor }) => grantor !== live.view.owner)
    .map((grant) => `the grantor ${grant.grantor} of ${describeGrant(grant)}`)

/**
 * Joins the grants of each role: one for the whole view, and one for each privilege on columns. Grants with
 * grant option stay separate. The order is that of the catalog.
 */
function grantDefinitions(grants: Grant[]): GrantDefinition[] {
  const byWhat = Map.groupBy(grants, ({ privilege, grantee, grantable, column }) =>
    JSON.stringify([grantee, grantable, column === null ? null : privilege]),
  )
  return [...byWhat.values()].map((same) => {
    const { grantee, grantable, column } = same[0] as Grant
    return {
      privileges: [...new Set(same.map(({ privilege }) => privilege.toLowerCase()))],
      ...(column === null ? {} : { columns: [...new Set(same.map((grant) => grant.column as string))] }),
      to: unquoted(grantee),
      ...(grantable ? { grantOption: true } : {}),
    }
  })
}

/**
 * Removes the space by which the server indents each line of a query, but not after line breaks in quotes.
 */
const withoutIndent = (sql: string): string =>
  [...tokensIn(sql.trim())]
    .map(({ kind, text }) => {
      if (kind === 'space') return text.replaceAll('\n ', '\n')
      return kind === 'text' ? withoutReturns(text) : text
    })
    .join('')

/** Writes `\r` in a text as an escape: a file may change line ends. */
function withoutReturns(quoted: string): string {
  if (!quoted.includes('\r')) return quoted
  return `${quoted.startsWith("'") ? 'E' : ''}${quoted.replaceAll('\r', '\\r')}`
}
