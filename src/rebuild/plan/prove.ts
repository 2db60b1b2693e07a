import { differenceQuery, hashWithoutGrants, liveViewQuery } from '../../catalog/plan/live-view-query.ts'
import { namedBy, readerOf } from '../../catalog/plan/rights.ts'
import { displayName, literal, regclass } from '../../sql/names.ts'
import type { Plan, Statement } from '../../sql/plan.ts'
import type { Member, Scope } from './scope.ts'
import { type Rebuild, shadowName } from './shadow-place.ts'

/**
 * What a plan stands on: the hashes of the members, one after the other. The answer is another one if something
 * stands between them.
 */
export const basisOf = (scope: Scope): Basis => hashes(scope, () => true)

/** The same once the shadows are built. Privileges count only on members that are to change: the others' are copied. */
export const basisOfShadows = (scope: Scope): Basis => {
  const changing = new Set(scope.members.flatMap(({ oid, wanted }) => (wanted === undefined ? [] : [oid])))
  return hashes(scope, (oid) => changing.has(oid))
}

type Basis = NonNullable<Plan['basis']>

function hashes(scope: Scope, withGrants: (oid: number) => boolean): Basis {
  const views = scope.members.toSorted((a, b) => a.oid - b.oid)
  const oids = views.map(({ oid }) => oid)
  const whole = oids.filter(withGrants)
  return {
    sql: `select string_agg(case when r.oid = any (array[${whole.join(', ')}]::oid[]) then md5(doc.live::text) else ${hashWithoutGrants('doc.live')} end,
         '' order by r.oid)${views.length === 1 ? '' : ` || (${betweenQuery(oids)})`}
  from unnest(array[${oids.join(', ')}]::oid[]) r(oid), lateral (${liveViewQuery('r.oid')}) as doc(live)`,
    is: views.map((each) => (withGrants(each.oid) ? each.hash : each.hashWithoutGrants)).join(''),
  }
}

/** Checks that no function or policy stands between members: it would fill a shadow with rows of an old view. */
export const nothingStandsBetween = (scope: Scope): Statement => ({
  phase: 'building',
  sql: `select (${betweenQuery(scope.members.map(({ oid }) => oid))}) as between`,
  kind: 'check',
  check: {
    is: '',
    else: 'SwapImpossible',
    message: 'A function or a policy stands between views of the group.',
    tells: 'Found: ',
  },
  hidden: true,
})

/**
 * Proves, before any shadow is filled, that the shadows are copies which read each other as the views do. Of a member that is to
 * change, or that is alone, the proof is only that its shadow reads no old view.
 */
export const prove = (rebuild: Rebuild): Statement[] => [readsTheSame(rebuild), ...areFaithful(rebuild)]

/**
 * Compares what each shadow needs, its query, indexes and statistics objects, with what the view needs: for each member its shadow,
 * and everything else itself. So no shadow reads an old view, and no name has found another function, operator or table than in the view.
 */
function readsTheSame(rebuild: Rebuild): Statement {
  const { members } = rebuild.scope
  const changes = ({ wanted }: Member) => wanted !== undefined || members.length === 1
  const pairs = members.map(
    (member) => `(${member.oid}::oid, ${regclass(shadowName(rebuild, member))}, ${changes(member)})`,
  )
  // The server takes longer to plan this than to execute it.
  const differing = members.every(changes)
    ? ''
    : `
        select *, 'does not read' as what from (table wanted except table found) a
        union all
        select *, 'reads' from (table found except table wanted) b
        union all`
  return {
    phase: 'building',
    sql: `
with pairs as (
  select * from (values ${pairs.join(', ')}) as p(old, new, changes)),
moved as (
  select 'pg_class'::regclass as class, old, new from pairs
  union all
  select 'pg_type'::regclass, o.reltype, n.reltype from pairs join pg_class o on o.oid = old join pg_class n on n.oid = new
  union all
  select 'pg_type'::regclass, x.typarray, y.typarray from pairs join pg_class o on o.oid = old join pg_class n on n.oid = new
    join pg_type x on x.oid = o.reltype join pg_type y on y.oid = n.reltype),
needs as (
  select p.old as member, p.changes, w.ev_class as oid, d.refclassid as class, d.refobjid as object
    from pairs p join pg_rewrite w on w.ev_class in (p.old, p.new) and w.rulename = '_RETURN'
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refobjid <> w.ev_class
  union
  select p.old, p.changes, i.indrelid, d.refclassid, d.refobjid
    from pairs p join pg_index i on i.indrelid in (p.old, p.new)
    join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.deptype = 'n'
   where d.refobjid <> i.indrelid
  union
  select p.old, p.changes, s.stxrelid, d.refclassid, d.refobjid
    from pairs p join pg_statistic_ext s on s.stxrelid in (p.old, p.new)
    join pg_depend d on d.classid = 'pg_statistic_ext'::regclass and d.objid = s.oid and d.deptype = 'n'
   where d.refobjid <> s.stxrelid),
wanted as (
  select n.member, n.class, coalesce(m.new, n.object) as object
    from needs n left join moved m on m.class = n.class and m.old = n.object where n.oid = n.member and not n.changes),
found as (select member, class, object from needs where oid <> member and not changes)
select coalesce(string_agg(distinct format('the shadow of %s %s %s', member::regclass, what, pg_describe_object(class, object, 0)), '; '), '')
  from (${differing}
        select n.member, n.class, n.object, 'reads' as what from needs n join moved m on m.class = n.class and m.old = n.object
         where n.changes and n.oid <> n.member) as differences`,
    kind: 'check',
    check: {
      is: '',
      else: 'SwapImpossible',
      message: `A swap would change what ${someOf(rebuild.scope)} reads. Use strategy "concurrent" or "regular".`,
      tells: 'They differ: ',
      letsGo: true,
    },
    hidden: true,
  }
}

/** The view, or one of several. */
export const someOf = ({ members }: Scope): string => {
  const names = members.map(({ live }) => displayName(live.view)).join(', ')
  return members.length === 1 ? names : `one of the views ${names}`
}

/**
 * Compares the shadow of each member that does not change with its view: an exchange would silently lose what SQL cannot copy.
 * One statement for all, because the server takes longer to plan the comparison than to make it.
 */
export const areFaithful = (rebuild: Rebuild): Statement[] => {
  const members = rebuild.scope.members.filter(({ wanted }) => wanted === undefined)
  return members.length === 0 ? [] : [faithful(rebuild, members)]
}

const faithful = (rebuild: Rebuild, members: Member[]): Statement => ({
  phase: 'building',
  sql: `
select coalesce(string_agg(${members.length === 1 ? 'd.differences' : `format('%s: %s', p.view, d.differences)`}, '; '), '') as differences
  from (values ${members
    .map(
      (member) =>
        `(${member.oid}::oid, ${literal(member.hashWithoutGrants)}, ${regclass(shadowName(rebuild, member))}, ${literal(displayName(member.live.view))})`,
    )
    .join(', ')}) as p(oid, hash, shadow, view),
       lateral (${differenceQuery('p.oid', 'p.hash', 'p.shadow')}) as d(differences)
 where d.differences <> ''`,
  kind: 'check',
  check: {
    is: '',
    else: 'SwapImpossible',
    message: `A swap would change ${someOf({ members })}: its shadow differs from the view. Use strategy "concurrent" or "regular".`,
    tells: 'They differ in: ',
    letsGo: true,
  },
  hidden: true,
})

/**
 * A query for one text: the functions with parsed bodies and the policies through which a materialized view of these reads
 * another one, as `function app.f() stands between app.above and app.below`; empty if there are none. A shadow would be filled
 * with rows of the old view. A policy counts if it holds for the role as which the table is read. What a function with a
 * string body reads, the catalog does not know.
 */
export const betweenQuery = (oids: number[]): string => `
with recursive members as (
  select c.oid, c.relowner from pg_class c where c.oid = any (array[${oids.join(', ')}]::oid[]) and c.relkind = 'm'),
reach(reader, class, object, role, through) as (
  select m.oid, 'pg_class'::regclass::oid, m.oid, m.relowner, null::text from members m
  union
  select r.reader, x.class, x.object, x.role, coalesce(r.through, x.through) from reach r cross join lateral (
    select d.refclassid, d.refobjid, ${readerOf('c', 'r.role')}, null
      from pg_class c join ${namedBy('c')}
     where r.class = 'pg_class'::regclass and c.oid = r.object and (c.relkind = 'v' or c.oid = r.reader)
    union all
    select d.refclassid, d.refobjid, r.role, pg_describe_object('pg_policy'::regclass, l.oid, 0)
      from pg_class c join pg_policy l on l.polrelid = c.oid join pg_roles u on u.oid = r.role
      join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = l.oid and d.refobjid <> c.oid
     where r.class = 'pg_class'::regclass and c.oid = r.object and c.relrowsecurity and not u.rolsuper and not u.rolbypassrls
       and (c.relforcerowsecurity or not pg_has_role(u.oid, c.relowner, 'usage'))
    union all
    select d.refclassid, d.refobjid, case when f.prosecdef then f.proowner else r.role end, pg_describe_object(r.class, f.oid, 0)
      from pg_proc f join pg_depend d on d.classid = r.class and d.objid = f.oid
     where r.class = 'pg_proc'::regclass and f.oid = r.object
    union all
    select d.refclassid, d.refobjid, r.role, null from pg_depend d
     where r.class in ('pg_operator'::regclass, 'pg_cast'::regclass) and d.classid = r.class and d.objid = r.object
  ) as x(class, object, role, through)
   where r.object = r.reader or r.class <> 'pg_class'::regclass or r.object not in (select oid from members))
select coalesce(string_agg(between, '; ' order by between), '') from (
  select distinct format('%s stands between %s and %s', through, reader::regclass, object::regclass) collate "C" as between
    from reach where class = 'pg_class'::regclass and object in (select oid from members) and object <> reader and through is not null
) as found`
