import type { LiveView, OutlinedReader, PlainReader, Reader } from '../../catalog/plan/live-view.ts'
import {
  impossible,
  inSchema,
  isMember,
  type Membership,
  namedBy,
  onDatabase,
  type Requirement,
  roleOf,
} from '../../catalog/plan/rights.ts'
import { isUnreadable, unreadableClause } from '../../catalog/plan/server-sql.ts'
import { sessionOf } from '../../sql/holders.ts'
import { literal, quoteName, regclass } from '../../sql/names.ts'
import { tokensIn } from '../../sql/sql-tokens.ts'
import { displayName, displayPart, type QualifiedName, unquoted } from '../../words/names.ts'
import { betweenQuery } from './prove.ts'
import { findUnfilled, type Scope } from './scope.ts'

/** What the rebuild needs, each object by name. Pure. */
export const requirementsOf = (scope: Scope): Requirement[] => [
  placesRequirement,
  ...scope.members.flatMap((member) => memberRequirements(scope, member)),
  ...unfilled(scope),
  {
    from: `(${betweenQuery(scope.members.map(({ oid }) => oid))}) as b(what)`,
    because: 'b.what',
    given: `b.what = ''`,
  },
]

/** To make places for shadows. */
export const placesRequirement: Requirement = {
  ...onDatabase('create', 'false'),
  given: `d.datname <> current_database() or has_database_privilege(asked.role, d.oid, 'create')`,
  because: `format('materialized views read it, and %s may not make the schemas for their rebuild in database %I', asked.role::regrole, d.datname)`,
}

/** What the rebuild of one member needs. */
export const memberRequirements = (scope: { members: OutlinedReader[] }, { live }: Reader): Requirement[] =>
  swapRequirements(withoutMembers(scope, live)).map((requirement) =>
    namedRequirement(displayName(live.view), requirement),
  )

/** The member without the readers, and the rules on readers, that are rebuilt together with it. */
export function withoutMembers({ members }: { members: OutlinedReader[] }, live: LiveView): LiveView {
  const inside = new Set<number | null>(members.map(({ oid }) => oid))
  return {
    ...live,
    dependents: live.dependents.filter(({ reader, ruleOf }) => !inside.has(reader) && !inside.has(ruleOf)),
  }
}

/** What a reader says about columns of a view that go, in words that follow the reader's name. */
export const lacks = (columns: string[], { view }: LiveView): string =>
  `reads ${columns.length === 1 ? 'column' : 'columns'} ${columns.map(displayPart).join(', ')} of ${displayName(view)}, which the new query does not have`

/** A view with data whose parent has none would lose its data. */
function unfilled(scope: Scope): Requirement[] {
  const read = findUnfilled(scope, ({ populated }) => populated)
  return scope.members.flatMap(({ oid, live }) =>
    read.has(oid) ? impossible(`${displayName(live.view)} reads ${read.get(oid)}, which is unpopulated`) : [],
  )
}

/** Whether a materialized view reads this one, so that a swap has to rebuild both. */
export const isReadByViews = ({ dependents }: LiveView): boolean =>
  dependents.some(({ reader, view }) => reader !== null && view === null)

/** What a swap needs, each object by name, apart from the rights that every refresh needs. Pure. */
export const swapRequirements = (live: LiveView): Requirement[] => [
  ...namedSchemas(live.view, live.view.owner),
  ...changeRequirements(live),
]

/** The same for a view that gets another query: what its old one names is not read again. */
export function changeRequirements(live: LiveView): Requirement[] {
  const { view, dependents, statistics, grants } = live
  const all = dependents.flatMap((each) => each.view ?? [])
  const readers = all.filter((each) => !isTemporary(each))
  const itself = relation(view.kind, view)
  return [
    ...(view.memberOf === null ? [] : [impossible(`it belongs to extension ${view.memberOf}`)]),
    ...(view.hasSecurityLabel
      ? [impossible('it has a security label, which only its provider can give')]
      : []),
    ...(view.isTemporary ? [impossible('it is temporary')] : []),
    ...(view.replicaIdentity === 'index' ? [impossible('its replica identity is an index')] : []),
    ...(isUnreadable(view.definition) ? [impossible(`its query has ${unreadableClause}`)] : []),
    ...dependents
      .filter((each) => isUnreadable(each.view?.definition ?? ''))
      .map(({ description }) => impossible(`${description}, which reads it, has ${unreadableClause}`)),
    ...dependents
      .filter((each) => each.view === null)
      .map(({ description }) => impossible(`${description} depends on it`)),
    ...all.filter(isTemporary).map(readForNow),
    memberOf(view.owner, itself, ['', `may not act as its owner, ${view.owner}`]),
    ...schemasOf(live).map((place) => placeRequirement(place, view.owner)),
    ...parsedOf(live).map((part) => impossible(`${part} is never written again`)),
    ...(view.kind === 'table' ? notCopied(live) : []),
    ...[...new Set([view.owner, ...readers.map(({ owner }) => owner)])].map(sealRequirement),
    ...statistics
      .filter(({ owner }) => owner !== view.owner)
      .map((each) =>
        memberOf(
          view.owner,
          itself,
          [
            `statistics ${displayName(each)} belong to ${each.owner}, and `,
            `may not hand new ones over to ${each.owner}`,
          ],
          'inherits',
        ),
      ),
    ...readers.map((plain) =>
      memberOf(plain.owner, relation('view', plain), [
        `view ${displayName(plain)} reads it, and `,
        `may not act as its owner, ${plain.owner}`,
      ]),
    ),
    ...readers.flatMap((plain) => namedSchemas(plain, undefined, view.schema)),
    ...statistics.map((each) =>
      memberOf(each.owner, literal(`statistics ${quoteName(each)}`), [
        `statistics ${displayName(each)} belong to ${each.owner}, and `,
        `may not act as ${each.owner}`,
      ]),
    ),
    ...[...new Set(grants.map(({ grantor }) => grantor))].map((grantor) =>
      memberOf(grantor, null, [`${grantor} has granted privileges on it, and `, `may not act as ${grantor}`]),
    ),
  ]
}

/** What an incremental table may have, and its shadow would lack. */
const notCopied = ({ view, triggers }: LiveView): Requirement[] => [
  ...triggers.map(({ name }) => impossible(`it has trigger ${displayPart(name)}`)),
  {
    from: `(select r.what from pg_class c, pg_attribute a, lateral (values
        (c.relrowsecurity, 'it has row security'), (a.attnotnull, format('column %I is not null', a.attname))) r(has, what)
      where c.oid = ${regclass(view)} and a.attrelid = c.oid and a.attnum > 0 and r.has limit 1) as found(what)`,
    because: 'found.what',
    given: 'false',
  },
]

const isTemporary = ({ schema }: QualifiedName): boolean => /^pg_temp_\d+$/.test(schema)

/** Nobody but its session may write a temporary view again. */
const readForNow = ({ schema, name, owner }: PlainReader): Requirement => ({
  because: `${literal(`temporary view ${name} of `)} || ${sessionOf(literal(schema), roleOf(owner))} || ${literal(' reads it: end that session, or drop the view there')}`,
  given: 'false',
})

/** What the next owner of a view needs to make in the schemas what a swap makes as that owner. */
export const nextOwnersRequirements = (given: LiveView): Requirement[] =>
  schemasOf(given)
    .filter(({ role }) => role === given.view.owner)
    .map((place) => placeRequirement(place))

/** The same requirement, in words that begin with the name of the view. */
export const namedRequirement = (view: string, requirement: Requirement): Requirement => ({
  ...requirement,
  because: `${literal(`${view}: `)} || ${requirement.because}`,
})

/** Needs no right to look into the schema, as `to_regclass` does. */
const relation = (kind: string, { schema, name }: QualifiedName): string =>
  `'${kind} ' || (select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = ${literal(schema)} and c.relname = ${literal(name)})`

/** To be a member of a role. The words are those before and after the name of who asks. */
export const memberOf = (
  role: string,
  owned: string | null,
  [before, after]: [string, string],
  how: Membership = 'acts',
): Requirement => ({
  because: `(${literal(before)} || asked.role::regrole || ${literal(` ${after}`)})`,
  membership: roleOf(role),
  ...(owned === null ? {} : { owned }),
  given: isMember('asked.role', roleOf(role), how),
})

/** What hangs on a plain view, holds SQL of others, and is not copied: no refresh writes a rule or a default. */
export const parsedOf = ({ view, rules, columns }: LiveView): string[] => [
  ...rules.map(({ name }) => `rule ${displayPart(name)} on ${displayName(view)}`),
  ...columns.flatMap((column) =>
    column.default === null
      ? []
      : [`the default of column ${displayPart(column.name)} of ${displayName(view)}`],
  ),
]

/** The seal needs PL/pgSQL. */
const sealRequirement = (role: string): Requirement => ({
  because: literal(`${role} may not use language plpgsql`),
  privilege: `'usage'`,
  on: `'language plpgsql'`,
  to: roleOf(role),
  given: `has_language_privilege(${roleOf(role)}, 'plpgsql', 'usage')`,
})

/** A privilege that a role of a swap needs on a schema. */
interface SchemaPrivilege {
  role: string
  privilege: 'usage' | 'create'
  schema: string
}

/** The schemas in which the roles of a swap make something. */
function schemasOf({ view, statistics, dependents }: LiveView): SchemaPrivilege[] {
  const both = (role: string, schema: string): SchemaPrivilege[] =>
    (['usage', 'create'] as const).map((privilege) => ({ role, privilege, schema }))
  const places = [
    ...both(view.owner, view.schema),
    ...statistics.flatMap(({ schema, owner, target, comment }) => [
      ...both(view.owner, schema).filter(
        ({ privilege }) => privilege === 'create' || target !== null || comment !== null,
      ),
      ...both(owner, schema),
    ]),
    ...dependents
      .flatMap((each) => each.view ?? [])
      .flatMap((above): SchemaPrivilege[] => [
        ...both(above.owner, above.schema),
        { role: above.owner, privilege: 'usage', schema: view.schema },
      ]),
  ]
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()]
}

/**
 * To look into the schemas that a query names: the server reads its text again as the owner of the view, which no other refresh
 * does. A name before a dot may be that of a table: then it stands elsewhere without one. The view's own schema, and `other`, are
 * looked into anyway. Uses of types and operators that the text leaves out need no right.
 */
function namedSchemas(
  { schema, name, owner, definition }: QualifiedName & { owner: string; definition: string },
  ofView?: string,
  other = schema,
): Requirement[] {
  const tokens = [...tokensIn(definition)]
  const names = (isBeforeDot: boolean) =>
    tokens.flatMap(({ kind, text }, at) =>
      ['word', 'name'].includes(kind) && (tokens[at + 1]?.text === '.') === isBeforeDot ? unquoted(text) : [],
    )
  const known = new Set([schema, other, ...names(false)])
  const more = new Set(names(true).filter((each) => !known.has(each)))
  return [...more].toSorted().map((each) => {
    const place = placeRequirement({ role: owner, privilege: 'usage', schema: each }, ofView)
    return {
      ...place,
      given: `${place.given} or not exists (
select from pg_class c join pg_namespace s on s.oid = c.relnamespace join ${namedBy('c')}, pg_identify_object(d.refclassid, d.refobjid, 0) o
 where s.nspname = ${literal(schema)} and c.relname = ${literal(name)} and o.schema = quote_ident(n.nspname))`,
    }
  })
}

const placeRequirement = ({ role, privilege, schema }: SchemaPrivilege, owner?: string): Requirement => ({
  ...inSchema(privilege, schema, roleOf(role)),
  because: literal(
    `${role === owner ? `its owner, ${role},` : role} may not ${
      privilege === 'create' ? 'create anything in' : 'look into'
    } schema ${displayPart(schema)}`,
  ),
})
