import type { Checking } from '../../catalog/plan/checks.ts'
import type {
  Definition,
  GrantDefinition,
  IndexDefinition,
  ViewDefinition,
} from '../../catalog/plan/definition.ts'
import type { ViewFacts, ViewKind } from '../../catalog/plan/live-view.ts'
import { hintsQuery, inPlaceOf, inSchema, missing, roleOf } from '../../catalog/plan/rights.ts'
import { lockWhatIsRead, recordChecks } from '../../record/plan/work.ts'
import { lackedBy } from '../../sql/holders.ts'
import {
  type CreateNames,
  keptMark,
  literal,
  namesBeside,
  queryViewOf,
  quoteIdentifier,
  quoteName,
} from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import type { QualifiedName, ViewName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { checkData, recordsFirst } from './check-data.ts'
import { analyze, fill, uniqueIndexes } from './fill.ts'
import { besideReaders, exclusively, ourselves } from './locks.ts'
import { withdrawWriting } from './nobody-writes.ts'
import { fillTable } from './shadow.ts'

/** A view that a definition makes. */
export interface MadeView extends Definition {
  /** Default: a materialized view. */
  kind?: ViewKind
}

/** The plain view with the query of an incremental table. */
export const queryViewMade = (definition: Definition): MadeView => {
  const bare = { indexes: [], comment: keptMark, grants: [], checks: {} }
  return { ...definition, ...queryViewOf(definition), kind: 'view', ...bare }
}

/** What a definition makes: a materialized view, or an incremental table after the plain view of its query. */
export const madeBy = (definition: Definition): MadeView[] => {
  if (definition.storage !== 'table') return [definition]
  const query = queryViewMade(definition)
  return [query, { ...definition, kind: 'table', sql: `select * from ${quoteName(query)}` }]
}

interface CreateOptions {
  withData: boolean
  timeoutSeconds: number
  settings: Record<string, string>
  /** The checks of the new data; null: none. */
  checking?: Checking | null | undefined
  /** The future owner of the view, as SQL writes the role. */
  owner: string
  /** The plain view that the view shows, if that is missing, too. */
  below?: (ViewDefinition & { kind?: ViewKind }) | undefined
  /**
   * The existing view to replace. The creation is refused if anything depends on that view (`dependents`).
   */
  replaces: (QualifiedName & Pick<ViewFacts, 'shadowKey'> & { dependents: string[] }) | null
}

/**
 * Plans the creation of a view with its indexes, comment, grants and statistics. Pure. An existing view is
 * replaced in a short exchange at the end: the new view is built under another name first, so that readers
 * keep the old one meanwhile.
 */
export function planCreate(
  definition: ViewDefinition & { kind?: ViewKind },
  options: CreateOptions,
): RunPlan {
  const { replaces, withData, timeoutSeconds, settings, owner } = options
  const checking = withData ? options.checking : null
  if (replaces !== null && replaces.dependents.length > 0) {
    throw new Problem(
      'DependentsExist',
      `${quoteName(definition)} cannot be replaced, because these depend on it: ${replaces.dependents.join(', ')}. ` +
        'Drop them first, because --force never drops them. To renew only the data, refresh the view.',
      { field: 'force' },
    )
  }
  insistOnPrivileges(definition)
  const names = replaces === null ? finalNames(definition) : createNames(replaces.shadowKey, definition)
  const view = { schema: definition.schema, name: names.view }
  return {
    ifRunning: 'skip',
    basis: null,
    result: 'created',
    fills: withData,
    settings,
    prepare: [
      ...inPlaceOf(
        owner,
        sealAll(owner, definition, [
          ...(options.below === undefined ? [] : createStatements(options.below)),
          ...createStatements(definition, names),
        ]),
      ),
      ...(definition.kind === 'table' ? [withdrawWriting(view, undefined, options.below === undefined)] : []),
      ...(withData ? [lockWhatIsRead(view)] : []),
      ...(withData ? filled(definition, view, names, owner) : []),
      ...checkData(
        {
          view: definition,
          relation: view,
          ...(definition.kind === 'table' && { query: queryViewOf(definition) }),
          seal: { role: owner, schema: quoteIdentifier(definition.schema) },
          ...(replaces === null ? { otherwise: 'the view is not made' } : {}),
        },
        checking,
      ),
    ],
    locked:
      replaces === null
        ? besideReaders(definition, recordChecks([checking]), timeoutSeconds)
        : recordsFirst(
            exclusively(ourselves(replaces), exchange(definition, view, names, owner), { timeoutSeconds }),
            [checking],
          ),
    later: withData ? [analyze(definition)] : [],
  }
}

/** Fills the new view: a table as a refresh changes it, sealed. */
const filled = (
  definition: ViewDefinition & { kind?: ViewKind },
  view: QualifiedName,
  names: CreateNames,
  owner: string,
): Statement[] => {
  const unique = uniqueIndexes(definition.indexes, names.index)
  return definition.kind === 'table'
    ? [
        {
          ...fillTable(definition, definition, unique),
          kind: 'sealed',
          seal: { role: owner, schema: quoteIdentifier(definition.schema) },
        },
      ]
    : inPlaceOf(owner, fill(view, definition, unique))
}

/**
 * Refuses a privilege that is not one word. Privileges are written into SQL unquoted, and `freeze` is not the
 * only writer of `viewkeeper.definitions`.
 */
function insistOnPrivileges({ grants }: ViewDefinition): void {
  const odd = grants.flatMap(({ privileges }) => privileges).find((privilege) => !/^[a-z]+$/i.test(privilege))
  if (odd !== undefined)
    throw new Problem(
      'InvalidRequest',
      `grants: ${JSON.stringify(odd)} is not a privilege. Correct the definition.`,
      {
        field: 'grants',
      },
    )
}

/**
 * The statements that create an empty view, its indexes, comment and grants. `names`: of the view and its
 * indexes.
 */
export function createStatements(
  definition: ViewDefinition & { kind?: ViewKind },
  names: CreateNames = finalNames(definition),
): Statement[] {
  const target = quoteName({ schema: definition.schema, name: names.view })
  const { kind = 'materialized view' } = definition
  const create: Statement = {
    phase: 'building',
    // The query may end with a `--` comment; the line break ends the comment.
    sql: `create ${kind} ${target} as\n${queryOf(definition.sql)}${kind === 'view' ? '' : '\nwith no data'}`,
    kind: 'userCode',
  }
  const indexes = definition.indexes.map(
    (index, at): Statement => ({
      phase: 'indexes',
      sql: indexStatement({ ...index, name: names.index(at) }, target),
      kind: 'userCode',
    }),
  )
  return [
    create,
    ...indexes,
    ...[
      // Else a publication would refuse refreshes.
      ...(kind === 'table' ? [`alter table ${target} replica identity full`] : []),
      ...(definition.comment === null ? [] : [commentStatement(definition.comment, target, kind)]),
      ...definition.grants.map((grant) => grantStatement(grant, target)),
    ].map((sql): Statement => ({ kind: 'command', phase: 'building', sql })),
  ]
}

export const indexStatement = ({ name, unique, on }: IndexDefinition, target: string): string =>
  `create ${unique ? 'unique ' : ''}index ${quoteIdentifier(name)} on ${target} ${on}`

export const commentStatement = (
  comment: string | null,
  target: string,
  kind: ViewKind = 'materialized view',
): string => `comment on ${kind} ${target} is ${comment === null ? 'null' : literal(comment)}`

/** Gives a view to a role, which is written as in SQL. */
export const ownerStatement = (view: ViewName & { kind?: ViewKind }, role: string): Statement => ({
  kind: 'command',
  phase: 'exchange',
  sql: `alter ${view.kind ?? 'materialized view'} ${quoteName(view)} owner to ${role}`,
})

const exchange = (
  definition: ViewDefinition,
  view: ViewName,
  names: CreateNames,
  owner: string,
): Statement[] => {
  const { schema } = definition
  return [
    { kind: 'command', phase: 'exchange', sql: `drop materialized view ${quoteName(definition)}` },
    ...inPlaceOf(
      owner,
      [
        `alter materialized view ${quoteName(view)} rename to ${quoteIdentifier(definition.name)}`,
        ...definition.indexes.map(
          ({ name }, at) =>
            `alter index ${quoteName({ schema, name: names.index(at) })} rename to ${quoteIdentifier(name)}`,
        ),
      ].map((sql) => creating(sql, schema, owner)),
    ),
  ]
}

/** A statement of an exchange that needs `create` in a schema, as a change of a name does. `role` executes it; null: the login. */
export const creating = (sql: string, schema: string, role: string | null = null): Statement => ({
  kind: 'command',
  phase: 'exchange',
  sql,
  obstacles: creatingQuery(schema, role),
})

const grantStatement = (
  { privileges, columns, to, grantOption }: GrantDefinition,
  target: string,
): string => {
  const on = columns === undefined ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`
  const what = privileges.map((privilege) => `${privilege}${on}`).join(', ')
  const grantee = to === 'public' ? to : quoteIdentifier(to)
  return `grant ${what} on ${target} to ${grantee}${grantOption ? ' with grant option' : ''}`
}

/** Names for a view and its indexes while they are made: see `shadowKey`. */
export function createNames(key: string, { schema }: ViewDefinition): CreateNames {
  const { view, index } = namesBeside(key, schema)
  return { view: view.name, index }
}

const finalNames = ({ name, indexes }: ViewDefinition): CreateNames => ({
  view: name,
  index: (at) => indexes[at]?.name as string,
})

/** The query without semicolons at its end: a semicolon would end the statement before `with no data`. */
export const queryOf = (sql: string): string => sql.trimStart().replace(/[;\s]+$/, '')

/**
 * A query for what keeps a role from creating something in a schema. If the role may, it lacks a right on something else. `role`
 * is written as in SQL; null: the login.
 */
function creatingQuery(schema: string, role: string | null = null): string {
  const to = role === null ? undefined : roleOf(role)
  return hintsQuery([inSchema('usage', schema, to), inSchema('create', schema, to)], {
    lacking: `coalesce(${missing}, ${lackedBy(role)})`,
  })
}

/**
 * Seals the statements that parse SQL of others, as `role`. The seal's helper is made in the view's schema.
 */
export const sealAll = (
  role: string,
  { schema }: ViewName & { schema: string },
  statements: Statement[],
): Statement[] =>
  statements.map((statement) =>
    statement.kind === 'userCode'
      ? {
          ...statement,
          kind: 'sealed',
          rolePath: true,
          seal: { role, schema: quoteIdentifier(schema) },
          obstacles: creatingQuery(schema, role),
        }
      : statement,
  )
