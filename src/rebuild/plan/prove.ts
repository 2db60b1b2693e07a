import { differenceQuery, hashWithoutGrants, liveViewQuery } from '../../catalog/plan/live-view-query.ts'
import { namedBy, readerOf } from '../../catalog/plan/rights.ts'
import { sameTrees, treeDifferences } from '../../catalog/plan/tree/differences.ts'
import { meaningQuery } from '../../catalog/plan/tree/normal-form.ts'
import { literal, regclass } from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import { displayName } from '../../words/names.ts'
import { type Member, type Rebuild, retyped, type Scope, shadowName, shadowQuery, wantedOf } from './scope.ts'

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

type Basis = NonNullable<RunPlan['basis']>

function hashes(scope: Scope, withGrants: (oid: number) => boolean): Basis {
  const views = scope.members.toSorted((a, b) => a.oid - b.oid)
  const oids = views.map(({ oid }) => oid)
  const whole = oids.filter(withGrants)
  const document = liveViewQuery('r.oid')
  const all = views.some(({ live }) => live.view.kind === 'table')
    ? `(${document}) union all (${liveViewQuery('r.oid', 'live', true)})`
    : document
  return {
    sql: `select string_agg(case when r.oid = any (array[${whole.join(', ')}]::oid[]) then md5(doc.live::text) else ${hashWithoutGrants('doc.live')} end,
         '' order by r.oid)${views.length === 1 ? '' : ` || (${betweenQuery(oids)})`}
  from unnest(array[${oids.join(', ')}]::oid[]) r(oid), lateral (${all}) as doc(live)`,
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
 * change, the proof is that its shadow reads no old view, and means what the authored query meant in the trial.
 */
export const prove = (rebuild: Rebuild): Statement[] => [
  ...(mayReadOld(rebuild.scope) ? [readsNoOldView(rebuild)] : []),
  ...areFaithful(rebuild),
  ...meanWhatIsAuthored(rebuild),
]

/** The query of a view that is alone and does not change cannot name the view. */
const mayReadOld = ({ members }: Scope): boolean =>
  members.length > 1 ||
  members.some(
    ({ live, wanted }) =>
      wanted !== undefined ||
      [...live.indexes, ...live.statistics].some(({ hasExpressions }) => hasExpressions),
  )

/** The name that a shadow is to have, or the name of another relation: see `normalTree`. */
const nameOf = `coalesce((select s.named from pairs s where s.shadow = c.oid), format('%I.%I', n.nspname, c.relname))`

function meanWhatIsAuthored(rebuild: Rebuild): Statement[] {
  const { members } = rebuild.scope
  if (members.every(({ wanted }) => wanted?.view.meaning === undefined)) return []
  const pairs = members.map((member) => {
    const { schema, name, meaning } = wantedOf(member).view
    return `(${regclass(shadowQuery(rebuild, member))}::oid, format('%I.%I', ${literal(schema)}, ${literal(name)}), ${meaning === undefined ? 'null' : literal(meaning)})`
  })
  return [
    {
      phase: 'building',
      kind: 'check',
      sql: `
with pairs as materialized (select * from (values ${pairs.join(', ')}) as p(shadow, named, meaning))
select coalesce(string_agg(p.named, ', '), '') from pairs p
 where p.meaning is not null and (${meaningQuery('p.shadow', nameOf)}) is distinct from p.meaning`,
      check: {
        is: '',
        else: 'SwapImpossible',
        message:
          'The server reads its own text of the new query with other operators than the authored one, because others may create in the schema of an operator. ' +
          'Keep them from that, as with: revoke create on schema public from public.',
        tells: 'Views: ',
        letsGo: true,
      },
      hidden: true,
    },
  ]
}

/** By what the catalog knows of the shadows' queries, indexes and statistics objects: a constant may name a view, too. */
function readsNoOldView(rebuild: Rebuild): Statement {
  const pairs = rebuild.scope.members.flatMap((member) => {
    const made = new Set([shadowName(rebuild, member), shadowQuery(rebuild, member)].map(regclass))
    return [...made].map((shadow) => `(${member.oid}::oid, ${shadow})`)
  })
  return {
    phase: 'building',
    sql: `
with pairs as (
  select * from (values ${pairs.join(', ')}) as p(old, new)),
moved as (
  select 'pg_class'::regclass as class, old from pairs
  union all
  select 'pg_type'::regclass, t.oid from pairs join pg_class c on c.oid = old join pg_type r on r.oid = c.reltype
    join pg_type t on t.oid in (r.oid, r.typarray)),
parts as (
  select p.old, 'pg_rewrite'::regclass as class, w.oid from pairs p join pg_rewrite w on w.ev_class = p.new
  union all
  select p.old, 'pg_class'::regclass, i.indexrelid from pairs p join pg_index i on i.indrelid = p.new
  union all
  select p.old, 'pg_statistic_ext'::regclass, s.oid from pairs p join pg_statistic_ext s on s.stxrelid = p.new)
select coalesce(string_agg(distinct format('the shadow of %s reads %s', p.old::regclass, pg_describe_object(m.class, m.old, 0)), '; '), '')
  from parts p join pg_depend d on d.classid = p.class and d.objid = p.oid
  join moved m on m.class = d.refclassid and m.old = d.refobjid`,
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
 * Compares the shadow of each member that does not change with its view: an exchange would silently lose what SQL cannot copy. One statement for
 * all, because the server takes longer to plan a comparison than to make it; and most trees are the same without their normal forms.
 */
export function areFaithful(rebuild: Rebuild): Statement[] {
  const { members } = rebuild.scope
  const same = members.filter(({ wanted }) => wanted === undefined)
  const others = retyped(rebuild.scope)
  const meaningTheSame = same.filter(({ oid }) => !others.has(oid))
  const copies = (some: Member[]) =>
    some.map((member) => ({
      oid: member.oid,
      shadow: `${regclass(shadowName(rebuild, member))}::oid`,
    }))
  return [
    ...faithful(
      rebuild,
      meaningTheSame,
      treeDifferences('p.oid', 'p.shadow', nameOf),
      sameTrees(copies(meaningTheSame), copies(members)),
    ),
    ...faithful(rebuild, same, differenceQuery('p.oid', 'p.hash', 'p.shadow')),
  ]
}

const faithful = (rebuild: Rebuild, members: Member[], query: string, sooner?: string): Statement[] => {
  if (members.length === 0) return []
  const pairs = rebuild.scope.members.map((member) => {
    const { schema, name } = member.live.view
    return `(${member.oid}::oid, ${members.includes(member) ? literal(member.hashWithoutGrants) : 'null'}, ${regclass(shadowName(rebuild, member))}::oid, format('%I.%I', ${literal(schema)}, ${literal(name)}))`
  })
  const sql = `
with pairs(oid, hash, shadow, named) as (values ${pairs.join(', ')})
select coalesce(string_agg(${members.length === 1 ? 'd.differences' : `format('%s: %s', p.named, d.differences)`}, '; '), '')
  from pairs p, lateral (${query}) as d(differences)
 where p.hash is not null and d.differences <> ''`
  return [
    {
      phase: 'building',
      sql,
      kind: 'check',
      check: {
        is: '',
        ...(sooner !== undefined && { sooner }),
        else: 'SwapImpossible',
        message: `A swap would change ${someOf({ members })}: its shadow differs from the view. Use strategy "concurrent" or "regular".`,
        tells: 'They differ in: ',
        letsGo: true,
      },
      hidden: true,
    },
  ]
}

/**
 * A query for one text: the functions with parsed bodies and the policies through which a materialized view of these reads
 * another one, as `function app.f() stands between app.above and app.below`; empty if there are none. A shadow would be filled
 * with rows of the old view. A policy counts if it holds for the role as which the table is read. What a function with a
 * string body reads, the catalog does not know.
 */
export const betweenQuery = (oids: number[]): string => `
with recursive members as (
  select c.oid, c.relowner from pg_class c where c.oid = any (array[${oids.join(', ')}]::oid[]) and c.relkind <> 'v'),
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
