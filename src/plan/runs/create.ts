import { Problem } from '../../problem.ts'
import { inPlaceOf, sealed } from '../acting.ts'
import { literal, quoteIdentifier, quoteName, type ViewName } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import type {
  GrantDefinition,
  IndexDefinition,
  RowCountStrategy,
  ViewDefinition,
} from '../views/definition.ts'
import { type CreateNames, temporaryNames } from './aside-names.ts'
import { analyze, countBefore, countRows, readEstimate } from './counting.ts'
import { besideReaders, exclusively } from './locks.ts'
import { noteObstacles } from './obstacles.ts'

export interface CreateOptions {
  withData: boolean
  rowCountStrategy: RowCountStrategy
  timeoutSeconds: number
  settings: Record<string, string>
  /** The role, as SQL writes it, that is to own the view. */
  owner: string
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
  insistOnPrivileges(definition)
  const names = replaces === null ? finalNames(definition) : temporaryNames(definition)
  const view = { schema: definition.schema, name: names.view }
  const counts = withData ? rowCountStrategy : 'none'
  return {
    ifRunning: 'skip',
    basis: null,
    result: 'created',
    fills: withData,
    settings,
    prepare: [
      ...(replaces === null ? [] : countBefore(replaces, rowCountStrategy)),
      ...inPlaceOf(owner, [
        ...sealed(owner, definition, createStatements(definition, names)),
        ...(withData ? fill(view) : []),
      ]),
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

/** What stands in the table of definitions may have come there by another way than `freeze`: nothing else is to be hidden in it. */
function insistOnPrivileges({ grants }: ViewDefinition): void {
  const odd = grants.flatMap(({ privileges }) => privileges).find((privilege) => !/^[a-z]+$/i.test(privilege))
  if (odd !== undefined)
    throw new Problem('InvalidRequest', `grants: ${JSON.stringify(odd)} is no privilege.`, {
      field: 'grants',
    })
}

/** The statements that make a view with no data, and its indexes, comment and grants. `names` are what they are called. */
export function createStatements(
  definition: ViewDefinition,
  names: CreateNames = finalNames(definition),
): Statement[] {
  const target = quoteName({ schema: definition.schema, name: names.view })
  const create: Statement = {
    phase: 'building',
    // The line break ends a comment that the query may end with.
    sql: `create materialized view ${target} as\n${body(definition.sql)}\nwith no data`,
    userCode: true,
    needs: `Creating ${target} takes create and usage on its schema, and whatever its query reads, for its owner.`,
  }
  const indexes = definition.indexes.map(
    (index, at): Statement => ({
      phase: 'indexes',
      sql: indexStatement({ ...index, name: names.index(at) }, target),
      userCode: true,
    }),
  )
  return [
    create,
    ...indexes,
    ...[
      ...(definition.comment === null ? [] : [commentStatement(definition.comment, target)]),
      ...definition.grants.map((grant) => grantStatement(grant, target)),
    ].map((sql): Statement => ({ phase: 'building', sql })),
  ]
}

/** Fills a view that was made with no data. Indexes that are there already are built in the same go, in parallel. */
export const fill = (view: ViewName): Statement[] => [
  noteObstacles(view),
  {
    phase: 'building',
    sql: `refresh materialized view ${quoteName(view)}`,
    userCode: true,
    computesRows: true,
  },
]

export const indexStatement = ({ name, unique, on }: IndexDefinition, target: string): string =>
  `create ${unique ? 'unique ' : ''}index ${quoteIdentifier(name)} on ${target} ${on}`

export const commentStatement = (comment: string | null, target: string): string =>
  `comment on materialized view ${target} is ${comment === null ? 'null' : literal(comment)}`

const exchange = (definition: ViewDefinition, view: ViewName, names: CreateNames): Statement[] =>
  [
    `drop materialized view ${quoteName(definition)}`,
    `alter materialized view ${quoteName(view)} rename to ${quoteIdentifier(definition.name)}`,
    ...definition.indexes.map(
      ({ name }, at) =>
        `alter index ${quoteName({ schema: definition.schema, name: names.index(at) })} rename to ${quoteIdentifier(name)}`,
    ),
  ].map((sql): Statement => ({ phase: 'cut-over', sql }))

const grantStatement = (
  { privileges, columns, to, grantOption }: GrantDefinition,
  target: string,
): string => {
  const on = columns === undefined ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`
  const what = privileges.map((privilege) => `${privilege}${on}`).join(', ')
  const grantee = to === 'public' ? to : quoteIdentifier(to)
  return `grant ${what} on ${target} to ${grantee}${grantOption ? ' with grant option' : ''}`
}

const finalNames = ({ name, indexes }: ViewDefinition): CreateNames => ({
  view: name,
  index: (at) => indexes[at]?.name as string,
})

/** The query, without what would end or swallow what comes after it: a semicolon, or an unfinished comment line. */
const body = (sql: string): string => sql.trimStart().replace(/[;\s]+$/, '')
