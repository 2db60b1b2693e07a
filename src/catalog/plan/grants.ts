import { quoteIdentifier, quoteName, regclass } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { displayPart, type ViewName } from '../../words/names.ts'
import type { Grant, LiveView } from './live-view.ts'
import { inPlaceOf } from './rights.ts'

/**
 * Gives the shadow exactly the view's privileges. A new relation starts with the default privileges, so they
 * are revoked first. If nobody ever granted anything on the whole view and there are no default privileges, the shadow gets
 * only the grants on columns, so that the catalog has no more privileges than before. Each grant is made as its old grantor,
 * after the grant that gave the grantor the grant option.
 */
export function replayGrants(live: LiveView, shadow: ViewName): Statement[] {
  const { view, grants, untouchedGrants, defaultGrants } = live
  const isUntouched = untouchedGrants && defaultGrants.length === 0
  const target = quoteName(shadow)
  const revoked = isUntouched
    ? []
    : [...new Set(['public', view.owner, ...defaultGrants.map(({ grantee }) => grantee)])]
  const granted = grants.filter(({ column }) => !isUntouched || column !== null)
  return [
    ...inPlaceOf(
      view.owner,
      revoked.map((grantee) => statement(`revoke all on ${target} from ${grantee} cascade`)),
    ),
    ...inGrantOrder(granted, view.owner).flatMap((grant) =>
      inPlaceOf(grant.grantor, [
        {
          ...statement(grantStatement(grant, target)),
          carries: `the grant of ${describeGrant(grant)}`,
        },
      ]),
    ),
  ]
}

/** A view, by its oid or SQL for it, and the shadow that gets its privileges. */
export interface Pair {
  oid: number | string
  shadow: ViewName & { schema: string }
}

/** The privileges on relations `v`, one a row, as of now. */
const privileges = `
  select v.oid, v.relowner, null::name as col, e.* from pg_class v, aclexplode(coalesce(v.relacl, acldefault('r', v.relowner))) e
   where v.oid in (select relation from relations)
  union all
  select v.oid, v.relowner, a.attname, e.* from pg_class v join pg_attribute a on a.attrelid = v.oid and a.attnum > 0, aclexplode(a.attacl) e
   where v.oid in (select relation from relations)`

/** The two relations of each pair, for `with`. */
const pairsOf = (pairs: Pair[]): string =>
  `pairs(old, new) as (values ${pairs.map(({ oid, shadow }) => `(${oid}::oid, ${regclass(shadow)})`).join(', ')}),
relations(relation) as (select old from pairs union all select new from pairs),
every as (${privileges})`

/**
 * Gives shadows the privileges that their views have by now, if they differ: grants may change while a shadow is filled. Each grant is made as its
 * grantor. One statement for all, because the server takes longer to plan it than to find no difference. `forShadows`: the shadows' schemas are
 * ours, and were made for shadows only, so that a new grantor may not use them yet. `views` are theirs in words.
 */
export const copyGrants = (pairs: Pair[], forShadows = false, views = 'the view'): Statement => ({
  phase: 'locking',
  kind: 'statements',
  hidden: true,
  carries: `the privileges on ${views}`,
  sql: `
with recursive ${pairsOf(pairs)},
wanted as (select new, relowner, col, grantor, grantee, privilege_type, is_grantable from pairs join every on oid = old),
found as (select new, relowner, col, grantor, grantee, privilege_type, is_grantable from pairs join every on oid = new),
-- The owner's grants first, then always those whose grantor has the grant option by then.
ordered as (
  select w.*, 1 as place from wanted w where grantor = relowner
  union
  select w.*, o.place + 1 from ordered o join wanted w
    on w.new = o.new and w.grantor = o.grantee and w.grantor <> w.relowner and w.privilege_type = o.privilege_type
   and (o.col is null or o.col = w.col)
   where o.is_grantable and o.place < 100),
each_once as (
  select min(place) as place, new, relowner, col, grantor, grantee, privilege_type, is_grantable from ordered group by 2, 3, 4, 5, 6, 7, 8),
names as (select p.new, format('%I.%I', n.nspname, c.relname) as target, n.nspname from pairs p join pg_class c on c.oid = p.new join pg_namespace n on n.oid = c.relnamespace),
steps as (${
    forShadows
      ? `
  select new, -1 as place, format('grant usage on schema %I to %s', nspname, string_agg(distinct grantor::regrole::text, ', ')) as step
    from wanted join names using (new) group by new, nspname
  union all`
      : ''
  }
  select new, 0 as place, format('set local role %s; revoke all on %s from public, %s cascade; reset role', relowner::regrole, target,
           string_agg(distinct case grantee when 0 then relowner else grantee end::regrole::text, ', ')) as step
    from found join names using (new) group by new, relowner, target
  union all
  select new, place, format('set local role %s; grant %s%s on %s to %s%s; reset role', grantor::regrole, privilege_type, ' (' || quote_ident(col) || ')',
           target, case grantee when 0 then 'public' else grantee::regrole::text end,
           case when is_grantable then ' with grant option' end)
    from each_once join names using (new))
select step from steps
 where new in (select new from ((table wanted except table found) union all (table found except table wanted)) d)
 order by new, place`,
})

/**
 * Checks that each shadow has the privileges of its view. Follows `copyGrants`, when nobody can change the privileges any more.
 */
export const grantsAreTheSame = (pairs: Pair[]): Statement => ({
  phase: 'locking',
  hidden: true,
  sql: `
with ${pairsOf(pairs)},
compared as (
  select p.old, e.oid = p.old as here, e.col, e.grantor, e.grantee, e.privilege_type, e.is_grantable from pairs p join every e on e.oid in (p.old, p.new))
select coalesce(string_agg(distinct format('%s%s on %s', lower(privilege_type), ' to ' || nullif(grantee, 0)::regrole, old::regclass), ', '), '')
  from (select old, col, grantor, grantee, privilege_type, is_grantable from compared
         group by 1, 2, 3, 4, 5, 6 having count(*) <> 2) as differences`,
  kind: 'check',
  check: {
    is: '',
    else: 'CatalogChanged',
    message: 'Privileges could not be copied to the rebuilt view. Nothing was exchanged: refresh again.',
    tells: 'They differ in: ',
  },
})

/** One grant of the catalog as a statement. */
export function grantStatement({ privilege, column, grantee, grantable }: Grant, target: string): string {
  const what =
    column === null ? privilege.toLowerCase() : `${privilege.toLowerCase()} (${quoteIdentifier(column)})`
  return `grant ${what} on ${target} to ${grantee}${grantable ? ' with grant option' : ''}`
}

/** `select (day) to reporting` */
export const describeGrant = ({ privilege, column, grantee }: Grant): string =>
  `${privilege.toLowerCase()}${column === null ? '' : ` (${displayPart(column)})`} to ${grantee}`

const statement = (sql: string): Statement => ({ kind: 'command', phase: 'building', sql, hidden: true })

/** The owner's grants first, then always those whose grantor already has the grant option. */
function inGrantOrder(grants: Grant[], owner: string): Grant[] {
  const allowed = (grant: Grant, made: Grant[]) =>
    grant.grantor === owner ||
    made.some(
      (earlier) =>
        earlier.grantable &&
        earlier.grantee === grant.grantor &&
        earlier.privilege === grant.privilege &&
        (earlier.column === null || earlier.column === grant.column),
    )
  const ordered: Grant[] = []
  let waiting = grants
  while (waiting.length > 0) {
    const ready = waiting.filter((grant) => allowed(grant, ordered))
    if (ready.length === 0) return [...ordered, ...waiting] // the server will say what is wrong with these
    ordered.push(...ready)
    waiting = waiting.filter((grant) => !ready.includes(grant))
  }
  return ordered
}
