import {
  asked,
  bySqlstate,
  executes,
  isAtLeast,
  type Membership,
  missing,
  type Need,
  namedBy,
  onSequence,
  ownership,
  privilege,
  readerOf,
} from '../missing.ts'
import { literal, quoteName, type ViewName } from '../names.ts'
import type { Statement } from '../plan.ts'

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
export const fillingQuery = (view: ViewName, how: 'regularly' | 'concurrently' = 'regularly'): string => `
with recursive ${asked}, ${theView(view)},
${whatTheViewReads}
select ${bySqlstate({
  '42501': `coalesce(${missing([maintenance, ...reading, ...(how === 'regularly' ? [] : changingRows)])}, (${unseen}))`,
  '55000': `(select string_agg(distinct format('%s is not populated: refresh it first.', c.oid::regclass), ' ')
               from reads r join pg_class c on c.oid = r.oid where c.relkind = 'm' and not c.relispopulated)`,
  ...(how === 'regularly' ? {} : { '0A000': unpopulated }),
})}`

/** The server fills an unpopulated view only regularly. */
const unpopulated = `(select format('%s is not populated: refresh it with strategy "regular" first.', v.name)
                        from v join pg_class c on c.oid = v.oid where not c.relispopulated)`

/** A query for what keeps the login from altering or dropping a view, or from acting as its owner. */
export const ownershipQuery = (view: ViewName, how?: Membership): string => `
with ${asked}, ${theView(view)}
select ${bySqlstate({ '42501': missing([ownedView(how), lookInto('asked.oid', 'session_user')]) })}`

/** A query for what keeps the rows of a view from being counted as its owner. */
export const countingQuery = (view: ViewName): string => `
with ${asked}, ${theView(view)}
select ${bySqlstate({
  '42501': missing([
    privilege('v', {
      what: `'select'`,
      on: 'v.name',
      to: 'v.relowner',
      owner: 'v.relowner',
      given: `has_table_privilege(v.relowner, v.oid, 'select')`,
    }),
  ]),
})}`

/** For `with`: a view. */
const theView = (view: ViewName): string => `v as (
  select c.oid, c.relowner, c.oid::regclass as name, c.relkind, n.oid as schema, n.nspname, n.nspowner
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(${literal(quoteName(view))}))`

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

const ownedView = (how?: Membership): Need =>
  ownership(
    'v',
    {
      owner: 'v.relowner',
      object: `format('%s %s', case v.relkind when 'v' then 'view' else 'materialized view' end, v.name)`,
    },
    how,
  )

/** What a refresh needs; from 17 on, a privilege does, too. */
const maintenance = ((): Need => {
  const { given, ...owned } = ownedView()
  return {
    ...owned,
    given: `${given} or case when ${isAtLeast(17)} then has_table_privilege(v.oid, 'MAINTAIN') else false end`,
    instead: `case when ${isAtLeast(17)}
      then format(' or, without swap: grant maintain on %s to %s; (as %s)', v.name, asked.oid::regrole, v.relowner::regrole) end`,
  }
})()

const reading = [
  privilege('reads r join pg_class c on c.oid = r.oid', {
    what: `case when c.relkind = 'S' then 'usage' else 'select' end`,
    on: onSequence,
    to: 'r.role',
    owner: 'c.relowner',
    given: `case when c.relkind = 'S' then has_sequence_privilege(r.role, c.oid, 'select, usage')
                 when r.column_at > 0 then has_column_privilege(r.role, c.oid, r.column_at::smallint, 'select')
                 else has_any_column_privilege(r.role, c.oid, 'select') end`,
  }),
  executes,
]

function lookInto(to: string, who = to): Need {
  return privilege(to === 'asked.oid' ? 'asked, v' : 'v', {
    what: `'usage'`,
    on: `format('schema %I', v.nspname)`,
    to,
    owner: 'v.nspowner',
    given: `has_schema_privilege(${who}, v.schema, 'usage')`,
  })
}

/**
 * Rights that the view's owner may have lost. The server acts as the owner to fill a temporary table and to
 * change the view's rows.
 */
const changingRows = [
  privilege(`v, unnest(array['select', 'insert', 'delete']) p`, {
    what: 'p',
    on: 'v.name',
    to: 'v.relowner',
    owner: 'v.relowner',
    given: 'has_table_privilege(v.relowner, v.oid, p)',
  }),
  privilege('v, pg_database d', {
    what: `'temporary'`,
    on: `format('database %I', d.datname)`,
    to: 'v.relowner',
    owner: 'd.datdba',
    given: `d.datname <> current_database() or has_database_privilege(v.relowner, d.oid, 'temporary')`,
  }),
  lookInto('v.relowner'),
]

/** What to do if the catalog shows nothing: it does not know what the texts of functions read. */
const unseen = `
  select format('A function or a policy that the query uses needs a right that the catalog does not show. To find it out, execute the query of the view as its owner: set role %s;', v.relowner::regrole) from v`
