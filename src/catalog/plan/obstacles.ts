import { literal, queryOfKept, unbroken } from '../../sql/names.ts'
import type { Hints, Purpose, ViewHints } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'
import {
  asked,
  executes,
  hintsQuery,
  isAtLeast,
  isMember,
  type Membership,
  missing,
  namedBy,
  onDatabase,
  onSequence,
  privilege,
  type Requirement,
  readable,
  readerOf,
} from './rights.ts'

/** Hints on doing this with a view. */
export const hintsOn = ({ schema, name }: QualifiedName, to: Purpose): ViewHints => ({ schema, name, to })

/** For `with`: a view, or several. */
export const theView = (found: string): string => `v as materialized (
  select c.oid, c.relowner, c.oid::regclass as name, c.relkind, n.oid as schema, n.nspname, n.nspowner,
         format('its owner, %s,', c.relowner::regrole) as its_owner,
         ${isMember('asked.role', 'c.relowner')} as inherits,
         case when ${isAtLeast(17)} then has_table_privilege(asked.role, c.oid, 'MAINTAIN') else false end as maintains
    from asked, pg_class c join pg_namespace n on n.oid = c.relnamespace where ${found})`

/** What the view's query reads, column by column, and as which role: also through plain views. `withTables`: a view may be an incremental table, too. */
export const whatIsRead = (withTables = false): string => {
  const [views, by] = withTables
    ? [
        `v cross join lateral (select case v.relkind when 'r' then ${queryOfKept('v.oid')} else v.oid end as oid) q`,
        namedBy('q'),
      ]
    : ['v', namedBy('v')]
  return `named as materialized (select v.oid as view, v.relowner, d.refclassid, d.refobjid, d.refobjsubid from ${views} join ${by}),
reads (view, role, oid, column_at) as (
  select d.view, d.relowner, d.refobjid, d.refobjsubid from named d where d.refclassid = 'pg_class'::regclass
  union
  select r.view, ${readerOf('c', 'r.role')}, d.refobjid, d.refobjsubid
    from reads r join pg_class c on c.oid = r.oid and c.relkind = 'v' join ${namedBy('c')} and d.refclassid = 'pg_class'::regclass),
calls as materialized (
  select d.view, d.relowner as role, p.oid, p.proowner from named d join pg_proc p on p.oid = d.refobjid where d.refclassid = 'pg_proc'::regclass)`
}

/** To act as the owner. */
export const owned = (how: Membership = 'inherits'): Requirement => ({
  from: 'v',
  because: `format(case when v.inherits or not ${isMember('asked.role', 'v.relowner', 'acts')} then '%s may not act as its owner, %s'
      else '%s does not inherit the rights of its owner, %s' end, asked.role::regrole, v.relowner::regrole)`,
  membership: 'v.relowner',
  owned: `format('%s %s', case v.relkind when 'v' then 'view' when 'r' then 'table' else 'materialized view' end, v.name)`,
  given: isMember('asked.role', 'v.relowner', how),
})

/** What a refresh needs; from 17 on, a privilege does, too. */
export const maintenance: Requirement = {
  ...owned(),
  given: 'v.inherits or v.maintains',
  instead: `case when ${isAtLeast(17)}
      then format('or, without swap, %s has to run:%s  grant maintain on %s to %s;', v.relowner::regrole, chr(10), ${unbroken('v.name::text')}, asked.oid::regrole) end`,
}

/** To look into the schema: the view's owner, or a role `to` that has not the rights of the owner. */
export const lookInto = (to: string, given: string): Requirement =>
  privilege('v', {
    because: `format('%s may not look into schema %I', case ${to} when v.relowner then v.its_owner else asked.role::regrole::text end, v.nspname)`,
    privilege: `'usage'`,
    on: `format('schema %I', v.nspname)`,
    to: `case ${to} when v.relowner then v.relowner else asked.oid end`,
    owner: 'v.nspowner',
    given,
  })

export const looks = (role: string): string => `has_schema_privilege(${role}, v.schema, 'usage')`

const lookingAtAll = lookInto('case when v.inherits then v.relowner else asked.role end', looks('asked.role'))

/** The same requirement, in words that call the owner of the view so. `of`: the relation that says which view it is about. */
const ofView = (requirement: Requirement, of?: string): Requirement => ({
  ...requirement,
  from: `v, ${requirement.from}`,
  given: of === undefined ? requirement.given : `${of}.view <> v.oid or ${requirement.given}`,
  because: `format('%s lacks %s on %s', case ${requirement.to} when v.relowner then v.its_owner else (${requirement.to})::regrole::text end,
    ${requirement.privilege}, ${requirement.on})`,
})

export const reading = [
  ofView(
    privilege(`reads r join pg_class c on c.oid = r.oid and c.relkind in ${readable}`, {
      privilege: `case when c.relkind = 'S' then 'usage' else 'select' end`,
      on: onSequence,
      to: 'r.role',
      owner: 'c.relowner',
      given: `case when c.relkind = 'S' then has_sequence_privilege(r.role, c.oid, 'select, usage')
                 when r.column_at > 0 then has_column_privilege(r.role, c.oid, r.column_at::smallint, 'select')
                 else has_any_column_privilege(r.role, c.oid, 'select') end`,
    }),
    'r',
  ),
  ofView(executes, 'calls'),
]

const changing = (privileges: string): Requirement =>
  privilege(`unnest(array[${privileges}]) p`, {
    privilege: 'p',
    on: 'v.name::text',
    to: 'v.relowner',
    owner: 'v.relowner',
    given: 'has_table_privilege(v.relowner, v.oid, p)',
  })

/**
 * Rights that the view's owner may have lost. The server acts as the owner to fill a temporary table and to
 * change the view's rows.
 */
export const changingRows = [
  ofView(changing(`'select', 'insert', 'delete'`)),
  ofView(onDatabase('temporary', 'false', 'v.relowner')),
  lookInto('v.relowner', looks('v.relowner')),
]

/** What to do if the catalog shows nothing: it does not know what the texts of functions read. */
const unseen = `
  select format('A function or a policy that the query uses needs a right that the catalog does not show. To find it out, execute the query of the view as its owner: set role %s;', v.relowner::regrole) from v`

/**
 * A query, in which schema, name and `to` are expressions of SQL, for what keeps a role from doing something with a view, by the
 * SQLSTATE of the failure: rights that are missing, and unpopulated views that the view reads. `to` is one of these purposes. The
 * server's message says so too, but is not kept: messages of statements that compute rows may quote rows. Execute the query as
 * the role that does the work.
 */
const viewHints = (
  schema: string,
  name: string,
  to: string,
  purposes: Purpose[],
  acting?: string,
): string => {
  const isTo = (some: Purpose[]) =>
    purposes.every((each) => some.includes(each)) ? 'true' : `${to} in (${some.map(literal).join(', ')})`
  const is = (some: Purpose[]) => some.some((each) => purposes.includes(each))
  const fills: Purpose[] = ['fill', 'fillConcurrently']
  const requirements: [Purpose[], Requirement[]][] = [
    [['own'], [owned()]],
    [['act'], [owned('acts')]],
    [fills, [maintenance, ...reading]],
    [['own', 'act', 'look'], [lookingAtAll]],
    [['fillConcurrently'], changingRows],
    [['count'], [ofView(changing(`'select'`))]],
  ]
  const asFarAs = requirements
    .filter(([some]) => is(some))
    .flatMap(([some, rules]) =>
      rules.map((requirement) => ({
        ...requirement,
        given: isTo(some) === 'true' ? requirement.given : `not ${isTo(some)} or (${requirement.given})`,
      })),
    )
  const found = `c.relname = ${name} and n.nspname = ${schema}`
  const ofFilling = {
    '55000': `(select string_agg(distinct format('%s is not populated: refresh it first.', c.oid::regclass), ' ')
               from reads r join pg_class c on c.oid = r.oid where c.relkind = 'm' and not c.relispopulated and ${isTo(fills)})`,
    // The server fills an unpopulated view only regularly.
    '0A000': `(select format('%s is not populated: refresh it with strategy "regular" first.', v.name)
                        from v join pg_class c on c.oid = v.oid where not c.relispopulated and ${isTo(['fillConcurrently'])})`,
  }
  return is(fills)
    ? hintsQuery(asFarAs, {
        ctes: `${asked(acting)}, ${theView(found)}, ${whatIsRead()}`,
        lacking: `coalesce(${missing}, (${unseen} where ${isTo(fills)}))`,
        ...ofFilling,
      })
    : hintsQuery(asFarAs, { ctes: `${asked(acting)}, ${theView(found)}` })
}

/** The query that stands for hints, as text. */
export const hintsQueryOf = (hints: Hints): string =>
  typeof hints === 'string'
    ? hints
    : viewHints(literal(hints.schema), literal(hints.name), literal(hints.to), [hints.to])

/** The query for every view with which something of this is done: parameters 1 to 4 are schema, name, purpose, and who does it; null: who asks. */
export const hintsInPlace = (purposes: Purpose[]): string =>
  viewHints('$1', '$2', '$3', purposes, 'coalesce($4, current_user)')
