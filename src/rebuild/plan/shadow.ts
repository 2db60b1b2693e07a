import type { LiveView } from '../../catalog/plan/live-view.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import {
  keptMark,
  literal,
  queryViewOf,
  quoteIdentifier,
  quoteName,
  type ShadowNames,
} from '../../sql/names.ts'
import type { About, Seal, Statement } from '../../sql/run-plan.ts'
import { displayName, displayPart, type QualifiedName } from '../../words/names.ts'
import { filling } from './fill.ts'

/** Builds the empty shadow of a view with all its attributes and comments; that of an incremental table with the plain view of its query. */
export function buildShadow(live: LiveView, { view }: Pick<ShadowNames, 'view'>): Statement[] {
  if (live.view.kind !== 'table') return buildOne(live, view)
  const query = queryViewOf(view)
  const bare = { options: [], toastOptions: [], accessMethod: null, tablespace: null, extensions: [] }
  const plain = { ...live.view, ...bare, kind: 'view' as const, comment: keptMark }
  const shown = { ...live.view, definition: `select * from ${quoteName(query)}` }
  return [...buildOne({ columns: [], view: plain }, query), ...buildOne({ ...live, view: shown }, view)]
}

function buildOne({ view, columns }: Pick<LiveView, 'view' | 'columns'>, name: QualifiedName): Statement[] {
  const shadow = quoteName(name)
  const alter = `alter ${view.kind} ${shadow}`
  const options = [...view.options, ...view.toastOptions.map((each) => `toast.${each}`)]
  const create: Statement = {
    phase: 'building',
    ...sealedAsOwner({ view }),
    sql:
      `create ${view.kind} ${shadow}` +
      (view.accessMethod === null ? '' : ` using ${quoteIdentifier(view.accessMethod)}`) +
      withOptions(options) +
      (view.tablespace === null ? '' : ` tablespace ${quoteIdentifier(view.tablespace)}`) +
      ` as ${view.definition.trim()}` +
      (view.kind === 'view' ? '' : ' with no data'),
  }
  const attributes = building([
    ...columns.flatMap((column) => {
      const name = quoteIdentifier(column.name)
      return [
        column.statistics !== null && `${alter} alter column ${name} set statistics ${column.statistics}`,
        column.options.length > 0 &&
          `${alter} alter column ${name} set (${column.options.map(option).join(', ')})`,
        column.storage !== null && `${alter} alter column ${name} set storage ${column.storage}`,
        column.compression !== null && `${alter} alter column ${name} set compression ${column.compression}`,
        column.comment !== null && `comment on column ${shadow}.${name} is ${literal(column.comment)}`,
      ]
    }),
    view.kind !== 'view' &&
      (view.replicaIdentity === 'full' || view.replicaIdentity === 'nothing') &&
      `alter table ${shadow} replica identity ${view.replicaIdentity}`,
    ...view.extensions.map((extension) => `${alter} depends on extension ${quoteIdentifier(extension)}`),
    view.comment !== null && `comment on ${view.kind} ${shadow} is ${literal(view.comment)}`,
  ])
  return [create, ...attributes]
}

/**
 * Fills `relation`, an empty incremental table whose query the plain view beside it has, with the data of `view`. It has to be sealed: what hangs on the table
 * is executed, too.
 */
export const fillTable = (
  relation: QualifiedName,
  view: QualifiedName,
  unique: Statement['unique'] = {},
): About => {
  const query = quoteName(queryViewOf(relation))
  return {
    phase: 'building',
    sql: `insert into ${quoteName(relation)} select * from ${query}`,
    computesRows: true,
    fills: { ...filling(view, relation), query },
    unique,
  }
}

/** SQL that others wrote about a view is parsed as the view's owner. */
export const ownersSeal = ({ view }: { view: Pick<LiveView['view'], 'owner' | 'schema'> }): Seal => ({
  role: view.owner,
  schema: quoteIdentifier(view.schema),
})

/** A statement with this is executed sealed, as the owner of the view, on the path on which the server reads its own text. */
export const sealedAsOwner = (live: { view: Pick<LiveView['view'], 'owner' | 'schema' | 'path'> }) =>
  ({ kind: 'sealed', seal: { ...ownersSeal(live), path: live.view.path } }) as const

/** The same if the statement parses expressions of others. */
export const sealedIf = (hasExpressions: boolean, live: LiveView) =>
  hasExpressions ? sealedAsOwner(live) : ({ kind: 'command' } as const)

/** The indexes of the view, on its shadow. */
export function buildIndexes(live: LiveView, names: ShadowNames): Statement[] {
  const { indexes, columns, view } = live
  const shadow = quoteName(names.view)
  return indexes.flatMap((index, at) => {
    const temporary = quoteIdentifier(names.index(at))
    const name = quoteName({ schema: names.view.schema, name: names.index(at) })
    const create: Statement = {
      phase: 'indexes',
      sql: `create ${index.unique ? 'unique ' : ''}index ${temporary} on ${shadow} ${index.rest}`,
      carries: `index ${displayPart(index.name)}`,
      ...sealedIf(index.hasExpressions, live),
    }
    const attributes = building(
      [
        index.tablespace !== null &&
          `alter index ${name} set tablespace ${quoteIdentifier(index.tablespace)}`,
        ...index.statistics.map(
          ({ column, target }) => `alter index ${name} alter column ${column} set statistics ${target}`,
        ),
        ...columns
          .filter(({ name }) => index.compressed?.includes(name))
          .map(
            ({ name, compression }) =>
              `alter ${view.kind} ${shadow} alter column ${quoteIdentifier(name)} set compression ${compression}`,
          ),
        index.clustered && `alter ${view.kind} ${shadow} cluster on ${temporary}`,
        index.comment !== null && `comment on index ${name} is ${literal(index.comment)}`,
        ...index.extensions.map(
          (extension) => `alter index ${name} depends on extension ${quoteIdentifier(extension)}`,
        ),
      ],
      'indexes',
      `index ${displayPart(index.name)}`,
    )
    return [create, ...attributes]
  })
}

/** The statistics objects of the view, on its shadow. Their owners take them over in `giveStatistics`. */
export function buildStatistics(live: LiveView, names: ShadowNames): Statement[] {
  return live.statistics.flatMap(({ schema, name: called, middle, hasExpressions, target, comment }, at) => {
    const name = quoteName({ schema, name: names.statistics(at) })
    const carries = `statistics ${displayName({ schema, name: called })}`
    const create: Statement = {
      phase: 'indexes',
      sql: `create statistics ${name} ${middle} from ${quoteName(names.view)}`,
      carries,
      ...sealedIf(hasExpressions, live),
    }
    const attributes = building(
      [
        target !== null && `alter statistics ${name} set statistics ${target}`,
        comment !== null && `comment on statistics ${name} is ${literal(comment)}`,
      ],
      'indexes',
      carries,
    )
    return [create, ...attributes]
  })
}

/** Gives statistics objects to their owners. The login does this: the view's owner may lack the right. */
export const giveStatistics = ({ view, statistics }: LiveView, names: ShadowNames): Statement[] =>
  building(
    statistics.map(
      ({ schema, owner }, at) =>
        owner !== view.owner &&
        `alter statistics ${quoteName({ schema, name: names.statistics(at) })} owner to ${owner}`,
    ),
    'indexes',
  )

/** Gives the indexes and statistics objects of a shadow the names that they are to have, once those of the old view are gone. */
export function nameParts({ view, indexes, statistics }: LiveView, names: ShadowNames): Statement[] {
  const rename = (kind: string, schema: string, from: string, to: string): Statement[] => {
    const sql = `alter ${kind} ${quoteName({ schema, name: from })} rename to ${quoteIdentifier(to)}`
    return from === to ? [] : [{ kind: 'command', phase: 'exchange', sql }]
  }
  return [
    ...inPlaceOf(
      view.owner,
      indexes.flatMap(({ name }, at) => rename('index', view.schema, names.index(at), name)),
    ),
    ...statistics.flatMap(({ schema, name, owner }, at) =>
      inPlaceOf(owner, rename('statistics', schema, names.statistics(at), name)),
    ),
  ]
}

const building = (
  statements: (string | false)[],
  phase: Statement['phase'] = 'building',
  carries?: string,
): Statement[] =>
  statements
    .filter((sql) => sql !== false)
    .map((sql) => ({ kind: 'command', phase, sql, ...(carries === undefined ? {} : { carries }) }))

/** An option as SQL needs it; the catalog writes `fillfactor=70`. */
const option = (text: string): string => {
  const at = text.indexOf('=')
  return at < 0 ? text : `${text.slice(0, at)} = ${literal(text.slice(at + 1))}`
}

/** `with (…)` for a plain view's options; empty if there are none. */
export const withOptions = (options: string[]): string =>
  options.length === 0 ? '' : ` with (${options.map(option).join(', ')})`

/**
 * The triggers of a plain view, on the view of the same name. Execute the statements as the view's owner. A trigger whose
 * state is not the usual one is left to the server, which refuses other states on views.
 */
export const buildTriggers = (live: LiveView): Statement[] =>
  live.triggers.flatMap(({ name, definition, enabled, comment }) => {
    const [view, trigger] = [quoteName(live.view), quoteIdentifier(name)]
    const statement = (sql: string): Statement => ({
      kind: 'command',
      phase: 'building',
      sql,
      carries: `trigger ${displayPart(name)}`,
    })
    return [
      { ...statement(definition), ...sealedAsOwner(live) },
      ...(enabled === 'O' ? [] : [statement(`alter table ${view} ${states[enabled]} trigger ${trigger}`)]),
      ...(comment === null
        ? []
        : [statement(`comment on trigger ${trigger} on ${view} is ${literal(comment)}`)]),
    ]
  })

const states: Record<string, string> = { D: 'disable', R: 'enable replica', A: 'enable always' }
