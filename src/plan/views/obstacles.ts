import { literal, quoteName, type ViewName } from '../names.ts'
import type { Statement } from '../plan.ts'
import {
  asked,
  executes,
  hintsQuery,
  isAtLeast,
  isMember,
  type Membership,
  missing,
  type Need,
  namedBy,
  needOf,
  type Obstacle,
  obstaclesOf,
  onDatabase,
  onSequence,
  privilege,
  type Refusal,
  readable,
  readerOf,
} from '../rights.ts'

/** The operations that the doctor looks at. `migrate` stands for check, freeze and migrate. */
export const abilities = ['refresh', 'concurrent', 'swap', 'migrate'] as const

/**
 * What a role may do with one view: the obstacles of each operation; none if the role may do it. `act`: to act as the
 * owner, which a migration needs even if it makes nothing anew.
 */
export interface ViewRights extends Record<(typeof abilities)[number] | 'act', Obstacle[]> {
  view: string
  schema: string
  name: string
  owner: string
}

/** What keeps a role from any of the operations. */
export const obstaclesIn = (views: ViewRights[]): Obstacle[] =>
  views.flatMap((view) => abilities.flatMap((ability) => view[ability]))

/** Why a view cannot be refreshed concurrently or swapped, apart from the rights that every refresh needs. */
interface Refusals {
  concurrent: Refusal[]
  swap: Refusal[]
}

/** A query for what keeps a role from each of the operations. */
export const abilitiesQuery = (oid: number, role: string, { concurrent, swap }: Refusals): string => {
  const refresh = [...looking, maintenance, ...reading]
  const obstacles: Record<(typeof abilities)[number] | 'act', Need[]> = {
    act: [owned()],
    refresh,
    concurrent: [...refresh, ...changingRows, ...concurrent.map(needOf)],
    swap: [...looking, ...swap.map(needOf), ...reading],
    migrate: [...looking, owned(), ...swap.map(needOf), ...reading],
  }
  return `
with recursive ${asked(role)}, ${theView(String(oid))}, ${whatTheViewReads}
select ${Object.entries(obstacles)
    .map(([ability, needs]) => `${obstaclesOf(needs, 'first')} as ${ability}`)
    .join(', ')}`
}

/**
 * Notes what would keep a new view from being filled. The query comes before the filling, because a failure
 * undoes the new view. Execute it as the role that fills the view.
 */
export const noteObstacles = (view: ViewName): Statement => ({
  phase: 'building',
  sql: fillingQuery(view),
  kind: 'notes',
  hidden: true,
})

/**
 * A query for what keeps a view from being filled, by the SQLSTATE of the failure: rights that are missing,
 * and unpopulated views that the view reads. The server's message says so too, but is not kept: messages of
 * statements that compute rows may quote rows. Execute the query as the role that refreshes the view.
 */
export const fillingQuery = (view: ViewName, how: 'regularly' | 'concurrently' = 'regularly'): string =>
  hintsQuery(
    `coalesce(${missing([maintenance, ...reading, ...(how === 'regularly' ? [] : changingRows)])}, (${unseen}))`,
    {
      ctes: `${asked()}, ${theView(oidOf(view))}, ${whatTheViewReads}`,
      '55000': `(select string_agg(distinct format('%s is not populated: refresh it first.', c.oid::regclass), ' ')
               from reads r join pg_class c on c.oid = r.oid where c.relkind = 'm' and not c.relispopulated)`,
      ...(how === 'regularly' ? {} : { '0A000': unpopulated }),
    },
  )

/** The server fills an unpopulated view only regularly. */
const unpopulated = `(select format('%s is not populated: refresh it with strategy "regular" first.', v.name)
                        from v join pg_class c on c.oid = v.oid where not c.relispopulated)`

/** A query for what keeps the login from altering or dropping a view, or from acting as its owner. */
export const ownershipQuery = (view: ViewName, how?: Membership): string =>
  hintsQuery([owned(how), lookingAtAll], { ctes: `${asked()}, ${theView(oidOf(view))}` })

/** A query for what keeps the login from looking at a relation. */
export const lookingQuery = (oid: number): string =>
  hintsQuery([lookingAtAll], { ctes: `${asked()}, ${theView(String(oid))}` })

/** A query for what keeps the rows of a view from being counted as its owner. */
export const countingQuery = (view: ViewName): string =>
  hintsQuery([ofView(changing(`'select'`))], { ctes: `${asked()}, ${theView(oidOf(view))}` })

const oidOf = (view: ViewName): string => `to_regclass(${literal(quoteName(view))})`

/** For `with`: a view. */
const theView = (oid: string): string => `v as (
  select c.oid, c.relowner, c.oid::regclass as name, c.relkind, n.oid as schema, n.nspname, n.nspowner,
         format('its owner, %s,', c.relowner::regrole) as its_owner,
         ${isMember('asked.role', 'c.relowner')} as inherits,
         case when ${isAtLeast(17)} then has_table_privilege(asked.role, c.oid, 'MAINTAIN') else false end as maintains
    from asked, pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = ${oid})`

/** What the view's query reads, column by column, and as which role: also through plain views. */
const whatTheViewReads = `reads (role, oid, column_at) as (
  select v.relowner, d.refobjid, d.refobjsubid
    from v join ${namedBy('v')} and d.refclassid = 'pg_class'::regclass
  union
  select ${readerOf('c', 'r.role')}, d.refobjid, d.refobjsubid
    from reads r join pg_class c on c.oid = r.oid and c.relkind = 'v' join ${namedBy('c')} and d.refclassid = 'pg_class'::regclass),
calls as (
  select v.relowner as role, p.oid, p.proowner
    from v join ${namedBy('v')} and d.refclassid = 'pg_proc'::regclass
    join pg_proc p on p.oid = d.refobjid)`

/** To act as the owner. */
const owned = (how: Membership = 'inherits'): Need => ({
  from: 'v',
  because: `format(case when v.inherits or not ${isMember('asked.role', 'v.relowner', 'acts')} then '%s may not act as its owner, %s'
      else '%s does not inherit the rights of its owner, %s' end, asked.role::regrole, v.relowner::regrole)`,
  membership: 'v.relowner',
  owned: `format('%s %s', case v.relkind when 'v' then 'view' else 'materialized view' end, v.name)`,
  given: isMember('asked.role', 'v.relowner', how),
})

/** What a refresh needs; from 17 on, a privilege does, too. */
const maintenance: Need = {
  ...owned(),
  given: 'v.inherits or v.maintains',
  instead: `case when ${isAtLeast(17)}
      then format(' or, without swap: grant maintain on %s to %s; (as %s)', v.name, asked.oid::regrole, v.relowner::regrole) end`,
}

/** To look into the schema: the view's owner, or a role `to` that has not the rights of the owner. */
const lookInto = (to: string, given: string): Need =>
  privilege('v', {
    because: `format('%s may not look into schema %I', case ${to} when v.relowner then v.its_owner else asked.role::regrole::text end, v.nspname)`,
    privilege: `'usage'`,
    on: `format('schema %I', v.nspname)`,
    to: `case ${to} when v.relowner then v.relowner else asked.oid end`,
    owner: 'v.nspowner',
    given,
  })

const looks = (role: string): string => `has_schema_privilege(${role}, v.schema, 'usage')`

const lookingAtAll = lookInto('case when v.inherits then v.relowner else asked.role end', looks('asked.role'))

/** The same for somebody who is to become a member of the owner, unless a privilege is enough: a member has what the owner has. */
const looking: Need[] = [
  { ...owned(), given: `${looks('asked.role')} or v.inherits or v.maintains` },
  lookInto(
    'case when v.maintains and not v.inherits then asked.role else v.relowner end',
    `${looks('asked.role')} or ${looks('v.relowner')} and not (v.maintains and not v.inherits)`,
  ),
]

/** The same need, in words that call the owner of the view so. */
const ofView = (need: Need): Need => ({
  ...need,
  from: `v, ${need.from}`,
  because: `format('%s lacks %s on %s', case ${need.to} when v.relowner then v.its_owner else (${need.to})::regrole::text end,
    ${need.privilege}, ${need.on})`,
})

const reading = [
  privilege(`reads r join pg_class c on c.oid = r.oid and c.relkind in ${readable}`, {
    privilege: `case when c.relkind = 'S' then 'usage' else 'select' end`,
    on: onSequence,
    to: 'r.role',
    owner: 'c.relowner',
    given: `case when c.relkind = 'S' then has_sequence_privilege(r.role, c.oid, 'select, usage')
                 when r.column_at > 0 then has_column_privilege(r.role, c.oid, r.column_at::smallint, 'select')
                 else has_any_column_privilege(r.role, c.oid, 'select') end`,
  }),
  executes,
].map(ofView)

const changing = (privileges: string): Need =>
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
const changingRows = [
  ofView(changing(`'select', 'insert', 'delete'`)),
  ofView(onDatabase('temporary', 'false', 'v.relowner')),
  lookInto('v.relowner', looks('v.relowner')),
]

/** What to do if the catalog shows nothing: it does not know what the texts of functions read. */
const unseen = `
  select format('A function or a policy that the query uses needs a right that the catalog does not show. To find it out, execute the query of the view as its owner: set role %s;', v.relowner::regrole) from v`
