import { displayName, literal, regclass } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import { differenceQuery, hashWithoutGrants, liveViewQuery } from '../views/live-view-query.ts'
import type { Reader } from '../views/readers.ts'
import { betweenQuery } from './between.ts'
import { everything, type Group, groupNames, type Places } from './group.ts'

/**
 * What a plan for a group stands on: the hashes of the members and of the views outside, one after the other. The answer is
 * another one if something stands between the views.
 */
export const basisOf = (group: Group): Basis => hashes(group, () => true)

/** The same once the twins are built. Privileges count only on members that are to change: the others' are copied. */
export const basisOfTwins = (group: Group): Basis => {
  const changing = new Set(group.members.flatMap(({ oid, wanted }) => (wanted === undefined ? [] : [oid])))
  return hashes(group, (oid) => changing.has(oid))
}

type Basis = NonNullable<Plan['basis']>

function hashes(group: Group, withGrants: (oid: number) => boolean): Basis {
  const views = everything(group)
  const oids = views.map(({ oid }) => oid)
  const whole = oids.filter(withGrants)
  return {
    sql: `select string_agg(case when r.oid = any (array[${whole.join(', ')}]::oid[]) then md5(doc.live::text) else ${hashWithoutGrants('doc.live')} end,
         '' order by r.oid) || (${betweenQuery(oids)})
  from unnest(array[${oids.join(', ')}]::oid[]) r(oid), lateral (${liveViewQuery('r.oid')}) as doc(live)`,
    is: views.map((each) => (withGrants(each.oid) ? each.hash : each.hashWithoutGrants)).join(''),
  }
}

/** Checks that no function or policy stands between members: it would fill a twin with rows of an old view. */
export const nothingStandsBetween = (group: Group): Statement => ({
  phase: 'building',
  sql: `select (${betweenQuery(everything(group).map(({ oid }) => oid))}) as between`,
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
 * Proves, before any twin is filled, that the twins are copies which read each other as the views do. If a member is to
 * change, the proof is only that the member's twin reads no old view.
 */
export const proveTwins = (group: Group, places: Places): Statement[] => [
  readsTheSame(group, places),
  ...areFaithful(group, places),
]

/**
 * Compares what each twin needs, its query, indexes and statistics objects, with what the view needs: for each member its twin,
 * and everything else itself. So no twin reads an old view, and no name has found another function, operator or table than in the view.
 */
const readsTheSame = ({ members }: Group, places: Places): Statement => ({
  phase: 'building',
  sql: `
with pairs as (
  select * from (values ${members
    .map(
      ({ oid, live, wanted }) =>
        `(${oid}::oid, ${regclass(groupNames(oid, live, places).view)}, ${wanted !== undefined})`,
    )
    .join(', ')}) as p(old, new, changes)),
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
select coalesce(string_agg(distinct format('the twin of %s %s %s', member::regclass, what, pg_describe_object(class, object, 0)), '; '), '')
  from (select *, 'does not read' as what from (table wanted except table found) a
        union all
        select *, 'reads' from (table found except table wanted) b
        union all
        select n.member, n.class, n.object, 'reads' from needs n join moved m on m.class = n.class and m.old = n.object
         where n.changes and n.oid <> n.member) as differences`,
  kind: 'check',
  check: {
    is: '',
    else: 'SwapImpossible',
    message: `The views ${members.map(({ live }) => displayName(live.view)).join(', ')} cannot be rebuilt together: the twins would read something else.`,
    tells: 'They differ: ',
    letsGo: true,
  },
  hidden: true,
})

/**
 * Compares the twin of each member that does not change with its view: an exchange would silently lose what SQL cannot copy.
 * One statement for all, because the server takes longer to plan the comparison than to make it.
 */
export const areFaithful = (group: Group, places: Places): Statement[] => {
  const members = group.members.filter(({ wanted }) => wanted === undefined)
  return members.length === 0 ? [] : [faithful(members, places)]
}

const faithful = (members: Reader[], places: Places): Statement => ({
  phase: 'building',
  sql: `
select coalesce(string_agg(format('%s: %s', p.view, d.differences), '; '), '') as differences
  from (values ${members
    .map(
      ({ oid, live, hashWithoutGrants }) =>
        `(${oid}::oid, ${literal(hashWithoutGrants)}, ${regclass(groupNames(oid, live, places).view)}, ${literal(displayName(live.view))})`,
    )
    .join(', ')}) as p(oid, hash, twin, view),
       lateral (${differenceQuery('p.oid', 'p.hash', 'p.twin')}) as d(differences)
 where d.differences <> ''`,
  kind: 'check',
  check: {
    is: '',
    else: 'SwapImpossible',
    message: `A swap would change one of the views ${members.map(({ live }) => displayName(live.view)).join(', ')}: its twin differs from the view. Use strategy "concurrent" or "regular".`,
    tells: 'They differ: ',
    letsGo: true,
  },
  hidden: true,
})
