import { unquoted } from '../names.ts'
import type { GrantDefinition } from './definition.ts'
import { type Definition, definitionDefaults } from './definition.ts'
import { authoredGrants } from './differences.ts'
import type { Grant, LiveView } from './live-view.ts'

/**
 * A live view as a definition, and in words what a definition has no word for: that stays with the view as long as it
 * lives, but a database where the view is made anew would lack it. Pure.
 */
export function definitionOf(facts: LiveView): { definition: Definition; leftOut: string[] } {
  const { view, columns, indexes, statistics } = facts
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
    grants: grantDefinitions(authoredGrants(facts)),
    settings: {},
    dependsOn: [],
  }
  const leftOut = [
    ...(view.options.length + view.toastOptions.length > 0 ? ['storage options'] : []),
    ...(view.tablespace === null ? [] : ['its tablespace']),
    ...statistics.map(({ name }) => `statistics ${name}`),
    ...columns.flatMap((column) => [
      ...(column.comment === null ? [] : [`the comment on column ${column.name}`]),
      ...(column.statistics !== null ||
      column.storage !== null ||
      column.compression !== null ||
      column.options.length > 0
        ? [`settings of column ${column.name}`]
        : []),
    ]),
    ...indexes.flatMap((index) =>
      index.comment !== null || index.tablespace !== null || index.clustered || index.statistics.length > 0
        ? [`comment, tablespace, cluster mark or statistics of index ${index.name}`]
        : [],
    ),
  ]
  return { definition, leftOut }
}

/** The grants of one role on the same columns are one; the order is that of the catalog. */
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

/** The server indents every line of a query by one space; those within quotes are not its own. */
const withoutIndent = (sql: string): string =>
  sql
    .trim()
    .split(/('(?:[^']|'')*'|"(?:[^"]|"")*")/)
    .map((part, at) => (at % 2 === 0 ? part.replaceAll('\n ', '\n') : withoutReturns(part)))
    .join('')

/** A file may make one line end of another; in a text they are told apart. One with a backslash is an E'' already. */
function withoutReturns(quoted: string): string {
  if (!quoted.startsWith("'") || !quoted.includes('\r')) return quoted
  return `${quoted.includes('\\') ? '' : 'E'}${quoted.replaceAll('\r', '\\r')}`
}
