import { copyGrants } from '../../catalog/plan/grants.ts'
import { queryViewOf, regclass } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'
import { carry } from './exchange.ts'
import { isApart, type Rebuild, shadowName, shadowQuery, wantedOf } from './scope.ts'

/**
 * Takes from everybody but the owner what lets them write an incremental table that was made just now, or through its query the tables below, or have its refreshes
 * execute a trigger of theirs as its owner: default privileges have given it, or the view that becomes a table had it. A new query is for its owner
 * alone, because it shows rows that policies of the table hide; `given`: who has privileges on it was given them by somebody.
 */
export const withdrawWriting = (
  table: QualifiedName,
  query = queryViewOf(table),
  given = false,
): Statement => ({
  phase: 'building',
  kind: 'statements',
  hidden: true,
  sql: `
select format('set local role %s; revoke %s on %s from %s cascade; reset role', relowner::regrole,
         case when c.oid = ${regclass(query)} and ${!given} then 'all' else 'insert, update, delete, truncate, trigger' end, c.oid::regclass,
         string_agg(distinct case grantee when 0 then 'public' else grantee::regrole::text end, ', '))
  from pg_class c, aclexplode(relacl)
 where c.oid in (${regclass(table)}, ${regclass(query)}) and grantee <> relowner
   and (privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') or c.oid = ${regclass(query)} and ${!given})
 group by c.oid, relowner`,
})

/** As `carry`, for a rebuild that makes incremental tables, too: the new query of one gets the privileges that the old one has by now, and nobody may write. */
export const carryUnwritten = (rebuild: Rebuild): Statement[] => [
  ...carry(rebuild),
  ...rebuild.scope.members
    .filter((member) => wantedOf(member).view.kind === 'table')
    .flatMap((member) => {
      const [shadow, query] = [shadowName(rebuild, member), shadowQuery(rebuild, member)]
      const { kind, schema, name } = member.live.view
      const oid = regclass(queryViewOf({ schema, name }))
      return [
        ...(kind === 'table' ? [copyGrants([{ oid, shadow: query }], isApart(rebuild))] : []),
        withdrawWriting(shadow, query, kind === 'table'),
      ]
    }),
]
