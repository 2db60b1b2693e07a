import { inPlaceOf } from '../../catalog/plan/acting.ts'
import type { LiveView, WrittenAgain } from '../../catalog/plan/live-view.ts'
import { displayName, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import type { Locked } from './locks.ts'
import { withOptions } from './shadow.ts'

/** The functions and policies that read some views, each once. */
export const writtenAgain = (views: Pick<LiveView, 'dependents'>[]): WrittenAgain[] => [
  ...new Map(
    views.flatMap(({ dependents }) =>
      dependents.flatMap(({ description, again }) => (again === null ? [] : [[description, again] as const])),
    ),
  ).values(),
]

/** Waits for those who change one of the functions; later changes wait for us. */
export const touchFunctions = (again: WrittenAgain[]): Statement[] =>
  again.flatMap((each) =>
    each.kind === 'function'
      ? inPlaceOf(each.owner, [{ kind: 'command', phase: 'locking', sql: each.touch, hidden: true }])
      : [],
  )

/** The tables of the policies, which are locked exclusively to write a policy again. */
export const tablesOf = (again: WrittenAgain[]): Locked[] => [
  ...new Map(
    again.flatMap((each) => {
      if (each.kind === 'function') return []
      const { owned, schema, owner } = each
      return [[owned, { kind: 'table', schema, name: each.table, owner }] as const]
    }),
  ).values(),
]

/** Points a plain view to the new views: it finds them by their names. */
export const writeViewAgain = (view: PlainView): Statement => ({
  phase: 'cut-over',
  sql: `create or replace view ${quoteName(view)}${withOptions(view.options)} as ${view.definition.trim()}`,
  kind: 'sandboxed',
  sandbox: { role: view.owner, schema: quoteIdentifier(view.schema) },
  carries: `view ${displayName(view)}`,
})

type PlainView = Pick<LiveView['view'], 'schema' | 'name' | 'owner' | 'options' | 'definition'>

/** Points functions and policies to the new views: they find them by their names. */
export const writeObjectsAgain = (again: WrittenAgain[]): Statement[] =>
  again.map(({ sql, owner, schema, owned, kind }) => ({
    phase: 'cut-over',
    sql,
    kind: 'sandboxed',
    sandbox: { role: owner, schema: quoteIdentifier(schema) },
    carries: kind === 'policy' ? `a policy on ${owned}` : owned,
  }))
