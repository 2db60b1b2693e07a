import { Problem } from '../problem.ts'
import { inPlaceOf } from './acting.ts'
import { analyze, countBefore, countRows, type RowCountStrategy, readEstimate } from './counting.ts'
import { besideReaders, exclusively } from './locks.ts'
import { literal, quoteIdentifier, quoteName, type ViewName } from './names.ts'
import type { Plan, Step } from './plan.ts'

/** One index of a definition, in the words of `create index`. */
export interface IndexDefinition {
  name: string
  unique?: boolean | undefined
  /** What follows the view's name: `(day)`, `using gin (tags)`, `(id) include (total) where total > 0`. */
  on: string
}

/** What is to be created. */
export interface ViewDefinition extends ViewName {
  schema: string
  sql: string
  indexes: IndexDefinition[]
  comment: string | null
  grants: GrantDefinition[]
}

/** Privileges of a definition: `{ privileges: ['select'], to: 'reporting' }`; `public` is everybody. */
export interface GrantDefinition {
  /** In lower case: `select`, `insert`, …, `maintain`; or `all`. */
  privileges: string[]
  /** Only on these columns. */
  columns?: string[] | undefined
  to: string
  /** Whether the grantee may grant them on. */
  grantOption?: boolean | undefined
}

export interface CreateOptions {
  withData: boolean
  rowCountStrategy: RowCountStrategy
  timeoutSeconds: number
  settings: Record<string, string>
  /** The role, as SQL writes it, that is to own the view; null: whoever creates it. */
  owner: string | null
  /** The view that is there and has to go first, with the objects that depend on it, which never go with it. */
  replaces: (ViewName & { populated: boolean; dependents: string[] }) | null
}

/**
 * Plans the creation of a view with its indexes, comment, grants and statistics. Pure. One that is there is replaced in a
 * short moment at the end: the new one is built under another name first, so that readers have the old one meanwhile.
 */
export function planCreate(definition: ViewDefinition, options: CreateOptions): Plan {
  const { replaces, withData, rowCountStrategy, timeoutSeconds, settings, owner } = options
  if (replaces !== null && replaces.dependents.length > 0) {
    throw new Problem(
      'DependentsExist',
      `${quoteName(definition)} cannot be created anew, because of ${replaces.dependents.join(', ')}. Drop these first; ` +
        'force never does. To renew the data alone, refresh the view.',
      { field: 'force' },
    )
  }
  const names = replaces === null ? finalNames(definition) : temporaryNames(definition)
  const view = { schema: definition.schema, name: names.view }
  const counts = withData ? rowCountStrategy : 'none'
  const steps = build(definition, view, names, withData)
  return {
    ifRunning: 'skip',
    basis: null,
    result: 'created',
    settings,
    prepare: [
      ...(replaces === null ? [] : countBefore(replaces, rowCountStrategy)),
      ...(owner === null ? steps : inPlaceOf(owner, steps)),
      ...(counts === 'exact' ? [countRows(view, 'after')] : []),
    ],
    cutOver:
      replaces === null
        ? besideReaders([], timeoutSeconds)
        : exclusively(replaces, exchange(definition, view, names), { timeoutSeconds }),
    written: null,
    aside: withData
      ? [analyze(definition), ...(counts === 'estimated' ? [readEstimate(definition, 'after')] : [])]
      : [],
  }
}

function build(definition: ViewDefinition, view: ViewName, names: Names, withData: boolean): Step[] {
  const target = quoteName(view)
  const create: Step = {
    phase: 'building',
    // The line break ends a comment that the query may end with.
    sql: `create materialized view ${target} as ${body(definition.sql)}\nwith ${withData ? '' : 'no '}data`,
    userCode: true,
    needs: `Creating ${target} takes create and usage on its schema, and whatever its query reads, for Viewkeeper's role.`,
  }
  const indexes = definition.indexes.map(
    ({ unique, on }, at): Step => ({
      phase: 'indexes',
      sql: `create ${unique ? 'unique ' : ''}index ${quoteIdentifier(names.index(at))} on ${target} ${on}`,
      userCode: true,
    }),
  )
  const comment =
    definition.comment === null
      ? []
      : [`comment on materialized view ${target} is ${literal(definition.comment)}`]
  const grants = definition.grants.map((grant) => grantStatement(grant, target))
  return [create, ...indexes, ...[...comment, ...grants].map((sql): Step => ({ phase: 'building', sql }))]
}

const exchange = (definition: ViewDefinition, view: ViewName, names: Names): Step[] =>
  [
    `drop materialized view ${quoteName(definition)}`,
    `alter materialized view ${quoteName(view)} rename to ${quoteIdentifier(definition.name)}`,
    ...definition.indexes.map(
      ({ name }, at) =>
        `alter index ${quoteName({ schema: definition.schema, name: names.index(at) })} rename to ${quoteIdentifier(name)}`,
    ),
  ].map((sql): Step => ({ phase: 'cut-over', sql }))

const grantStatement = (
  { privileges, columns, to, grantOption }: GrantDefinition,
  target: string,
): string => {
  const on = columns === undefined ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`
  const what = privileges.map((privilege) => `${privilege}${on}`).join(', ')
  const grantee = to === 'public' ? to : quoteIdentifier(to)
  return `grant ${what} on ${target} to ${grantee}${grantOption ? ' with grant option' : ''}`
}

interface Names {
  view: string
  index(at: number): string
}

const finalNames = ({ name, indexes }: ViewDefinition): Names => ({
  view: name,
  index: (at) => indexes[at]?.name as string,
})

/** Not the view's own name, and short enough that the server keeps all of it. */
const temporaryNames = ({ name }: ViewDefinition): Names => {
  const base = `viewkeeper_new_${fnv1a(name)}`
  return { view: base, index: (at) => `${base}_i${at}` }
}

/** The query, without what would end or swallow what comes after it: a semicolon, or an unfinished comment line. */
const body = (sql: string): string => sql.trim().replace(/;\s*$/, '')

/** 32 bits of FNV-1a, in hex: only to tell views apart that are created at the same time. */
function fnv1a(text: string): string {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0
  return value.toString(16).padStart(8, '0')
}
