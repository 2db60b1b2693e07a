import { tokensIn } from '../../sql/sql-tokens.ts'
import { displayName, displayPart, unquoted } from '../../words/names.ts'
import { type Definition, definitionDefaults, type GrantDefinition } from './definition.ts'
import { describeGrant } from './grants.ts'
import type { Grant, LiveView } from './live-view.ts'

/** What may differ between what is authored, what is frozen and what is live. */
export type DifferenceKind =
  | 'query'
  | 'column'
  | 'index'
  | 'comment'
  | 'grant'
  | 'owner'
  | 'dependsOn'
  | 'log'
  | 'unchecked'
  | 'missing'
  | 'unpopulated'
  | 'unmanaged'
  | 'unfrozen'
  | 'unauthored'
  | 'unapplied'
  | 'unreadable'

/** One difference, in words for the person who has to resolve it. */
export interface Difference {
  /** The view's name for people: `app.sales`. */
  view: string
  kind: DifferenceKind
  message: string
}

/**
 * How a live view differs from its definition. `shadow` is the definition as the same server has read it (see
 * `readShadow`). Privileges of the owner, and those that the owner's default privileges give, are no
 * difference. Pure.
 */
export function liveDifferences(live: LiveView, shadow: LiveView): Difference[] {
  const view = displayName(live.view)
  const differs = (kind: DifferenceKind) => (message: string) => ({ view, kind, message })
  return [
    ...(live.view.definition === shadow.view.definition
      ? []
      : [differs('query')('its query is not the frozen one')]),
    ...columnDifferences(live, shadow).map(differs('column')),
    ...indexDifferences(live, shadow).map(differs('index')),
    ...(live.view.comment === shadow.view.comment
      ? []
      : [
          differs('comment')(
            `its comment is ${quoted(live.view.comment)}, and frozen as ${quoted(shadow.view.comment)}`,
          ),
        ]),
    ...grantDifferences(live, shadow).map(differs('grant')),
  ]
}

/** How the owner of a live view differs from its definition, which may name none. Pure. */
export const ownerDifferences = ({ view }: LiveView, owner: string | null): Difference[] =>
  owner === null || unquoted(view.owner) === owner
    ? []
    : [
        {
          view: displayName(view),
          kind: 'owner',
          message: `it belongs to ${unquoted(view.owner)}, and is frozen as that of ${owner}`,
        },
      ]

/** Whether a view must be rebuilt to become like `shadow`, because its query, its columns or its kind differ. */
export const needsRebuild = (live: LiveView, shadow: LiveView): boolean =>
  live.view.definition !== shadow.view.definition || !isSameRelation(live, shadow)

/** Whether a view and its shadow have the same columns and kind. */
export const isSameRelation = (live: LiveView, shadow: LiveView): boolean =>
  live.view.kind === shadow.view.kind && columnDifferences(live, shadow).length === 0

function columnDifferences(live: LiveView, shadow: LiveView): string[] {
  const typeIn = ({ columns }: LiveView) => new Map(columns.map(({ name, type }) => [name, type]))
  const [is, was] = [typeIn(live), typeIn(shadow)]
  const differences = [
    ...[...was].flatMap(([name, type]) => {
      const found = is.get(name)
      if (found === undefined) return [`it lacks column ${displayPart(name)}`]
      return found === type ? [] : [`its column ${displayPart(name)} is ${found}, and frozen as ${type}`]
    }),
    ...[...is.keys()]
      .filter((name) => !was.has(name))
      .map((name) => `it has column ${displayPart(name)}, which is not frozen`),
  ]
  const sameOrder = [...is.keys()].join() === [...was.keys()].join()
  return differences.length > 0 || sameOrder ? differences : ['its columns come in another order']
}

function indexDifferences(live: LiveView, shadow: LiveView): string[] {
  const is = new Map(live.indexes.map((index) => [index.name, index]))
  const frozen = new Set(shadow.indexes.map(({ name }) => name))
  return [
    ...shadow.indexes.flatMap((index) => {
      const found = is.get(index.name)
      if (found === undefined) return [`it lacks index ${displayPart(index.name)}`]
      return sameIndex(found, index)
        ? []
        : [
            `its index ${displayPart(index.name)} is ${describeIndex(found)}, and frozen as ${describeIndex(index)}`,
          ]
    }),
    ...[...is.keys()]
      .filter((name) => !frozen.has(name))
      .map((name) => `it has index ${displayPart(name)}, which is not frozen`),
  ]
}

type Index = LiveView['indexes'][number]

export const sameIndex = (a: Index, b: Index): boolean =>
  a.unique === b.unique && a.rest.trim() === b.rest.trim()

const describeIndex = ({ unique, rest }: Index): string => `${unique ? 'unique ' : ''}${rest.trim()}`

function grantDifferences(live: LiveView, shadow: LiveView): string[] {
  const frozen = authoredGrants(shadow)
  const usual = live.defaultGrants.filter(({ grantor }) => grantor === live.view.owner)
  return [
    ...frozen
      .filter((grant) => !live.grants.some(sameGrant(grant)))
      .map((grant) => `it lacks the grant of ${describeWhole(grant)}`),
    ...authoredGrants(live)
      .filter(
        (grant) =>
          !usual.some(covers(grant)) && !frozen.some(sameGrant(grant)) && !isToldAsWriter(live, grant),
      )
      .map((grant) => `${describeWhole(grant)} is granted, which is not frozen`),
  ]
}

/** Whether a grant lets somebody write an incremental table, of which `readWriters` tells, whoever gave it. */
const isToldAsWriter = ({ view }: LiveView, grant: Grant): boolean =>
  view.kind === 'table' && isToWrite(grant)

/** Whether a grant is to write, which is worth nothing on a materialized view, and which an incremental table loses when it is made. */
export const isToWrite = ({ privilege }: Grant): boolean =>
  /^(insert|update|delete|truncate|trigger)$/i.test(privilege)

/** The view's grants without those to its owner: an owner has privileges anyway. */
export const authoredGrants = ({ view, grants }: LiveView): Grant[] =>
  grants.filter(({ grantee }) => grantee !== view.owner)

/** Whether two grants are the same. Their grantors may differ. */
export const sameGrant =
  (a: Grant) =>
  (b: Grant): boolean =>
    a.privilege === b.privilege &&
    a.column === b.column &&
    a.grantee === b.grantee &&
    a.grantable === b.grantable

/** Whether a default privilege gives a grant. The grant option may be missing: somebody has revoked it. */
const covers =
  (grant: Grant) =>
  (usual: Grant): boolean =>
    sameGrant(grant)({ ...usual, grantable: usual.grantable && grant.grantable })

const describeWhole = (grant: Grant): string =>
  `${describeGrant(grant)}${grant.grantable ? ' with grant option' : ''}`

const quoted = (text: string | null): string => (text === null ? 'none' : JSON.stringify(text))

/** Why a view is not compared by who may not act as its owner, with what is missing if the catalog shows that. */
export const notCompared = (owner: string, missing: string | null): string =>
  missing === null
    ? `it cannot be compared: we may not act as its owner, ${owner}`
    : `it cannot be compared. ${missing}`

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
    ...(view.kind === 'table' && { storage: view.kind }),
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
