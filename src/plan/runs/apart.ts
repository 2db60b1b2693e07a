import { inPlaceOf } from '../acting.ts'
import { type QualifiedName, quoteIdentifier, quoteName } from '../names.ts'
import type { Statement } from '../plan.ts'
import type { LiveView } from '../views/live-view.ts'

/**
 * Whether nobody has touched the privileges on a view, so that the catalog has none, but a new view in its schema would get
 * default privileges. What an owner's default privileges give in every schema, nothing prevents.
 */
export const losesNull = ({ untouchedGrants, defaultGrants }: LiveView): boolean =>
  untouchedGrants && defaultGrants.length > 0 && defaultGrants.every(({ everywhere }) => !everywhere)

/**
 * Creates a view as its owner. `apart` is the name of a schema that is made for this statement only: the view is created there,
 * where the default privileges of its own schema do not hold, and then moved; so the catalog keeps no privileges of it. Null:
 * the view is created in its own schema.
 */
export function createView(
  { kind, owner }: Pick<LiveView['view'], 'kind' | 'owner'>,
  view: QualifiedName,
  apart: string | null,
  create: (view: QualifiedName) => Statement,
): Statement[] {
  if (apart === null) return inPlaceOf(owner, [create(view)])
  const schema = quoteIdentifier(apart)
  const born = { ...view, schema: apart }
  return [
    machinery(`create schema ${schema}`),
    machinery(`grant create, usage on schema ${schema} to ${owner}`),
    ...inPlaceOf(owner, [
      create(born),
      {
        kind: 'command',
        phase: 'building',
        sql: `alter ${kind} ${quoteName(born)} set schema ${quoteIdentifier(view.schema)}`,
      },
    ]),
    machinery(`drop schema ${schema}`),
  ]
}

/** The view as it is after it was created so: default privileges have given nothing. */
export const createdIn = (apart: string | null, live: LiveView): LiveView =>
  apart === null ? live : { ...live, defaultGrants: [] }

const machinery = (sql: string): Statement => ({ kind: 'command', phase: 'building', sql, hidden: true })
