import type { LiveOtherwise } from '../../catalog/plan/definition.ts'
import { logTells, notExact } from '../../record/plan/slice-marks.ts'
import { literal, liveMark, liveViewOf, queryViewOf, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import { mostRows } from './forget.ts'
import { block, type ChangeLog, logsOf, oidOf, type TableLog } from './log.ts'

/**
 * The query of a live view: the stored rows of the slices that the log does not name, and those that the query makes of the others; if the log does not tell, what
 * `otherwise` says. Guard and log are read once, the log by the rights of the view's owner, and only if the guard says so. A changed row of a table without a key
 * means all slices, also if it is joined.
 */
function liveQuery(log: ChangeLog, otherwise: LiveOtherwise): string {
  const [kept, query] = [quoteName(log.view), quoteName(queryViewOf(log.view))]
  const parts = logsOf(log)
  const by = quoteIdentifier(log.by)
  const isKeyed = ({ table: { key, joined } }: TableLog) => key !== null && joined === null
  const named = parts.filter(isKeyed).map(({ log }) => `select t.${by} as k from ${log} t where not t.whole`)
  const all = parts.map((each) => `select from ${each.log} t${isKeyed(each) ? ' where t.whole' : ''}`)
  const rows = parts.map(({ log }) => `select from ${log}`)
  const logs = `array[${parts.map(({ log }) => `${literal(log)}::pg_catalog.regclass`).join(', ')}]`
  const told = '(select told from state)'
  const keys = 'select k from touched where k is not null'
  const none = 'exists (select from touched where k is null)'
  const stays = `(r.${by} operator(pg_catalog.=) any (${keys})) is not true and (r.${by} is not null or not ${none})`
  return `with guard as materialized (
  select ${logTells(literal(kept), literal(query), logs, literal(log.by))} as told),
touched as materialized (
  ${named.join('\n  union all ')}),
state as materialized (
  select case when told and not exists (${rows.join(' union all ')} offset ${mostRows}) and not exists (${all.join(' union all ')}) then true
              else ${otherwise === 'error' ? notExact(literal(kept)) : 'false'} end as told from guard)
select r.* from only ${kept} r where ${otherwise === 'stored' ? `case when ${told} then ${stays} else true end` : `${told} and ${stays}`}
union all
select r.* from ${query} r where ${told} and r.${by} operator(pg_catalog.=) any (array(${keys}))
union all
select r.* from ${query} r where ${told} and ${none} and r.${by} is null${
    otherwise === 'query' ? `\nunion all\nselect r.* from ${query} r where not ${told}` : ''
  }`
}

/** The statement that makes the live view, which belongs to the owner of the table, and may be read by whom the table may be read by now. */
export const makeLive = (log: ChangeLog, otherwise: LiveOtherwise): string => {
  const live = quoteName(liveViewOf(log.view))
  const table = oidOf(quoteName(log.view))
  const granted = (of: string) => `
    select distinct on (1) case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as role, a.is_grantable
      from pg_class c cross join lateral aclexplode(c.relacl) a where c.oid = ${of} and a.grantee <> c.relowner`
  return block(
    'reader pg_catalog.name; keeper pg_catalog.name; granted pg_catalog.record;',
    `
  select pg_get_userbyid(relowner) into strict reader from pg_class where oid = ${table};
  select pg_get_userbyid(nspowner) into strict keeper from pg_namespace where nspname = 'viewkeeper';
  if reader <> keeper then
    perform set_config('role', keeper, true);
    execute format('grant usage on schema viewkeeper to %I', reader);
    perform set_config('role', 'none', true);
  end if;
  perform set_config('role', reader, true);
  execute ${quoted(`create view ${live} as\n${liveQuery(log, otherwise)}`)};
  execute ${literal(`comment on view ${live} is ${literal(liveMark)}`)};
  for granted in${granted(oidOf(live))}
  loop
    execute format('revoke all on %s from %s', ${literal(live)}, granted.role);
  end loop;
  for granted in${granted(table)} and a.privilege_type = 'SELECT'
  loop
    execute format('grant select on %s to %s%s', ${literal(live)}, granted.role, case when granted.is_grantable then ' with grant option' end);
  end loop;`,
  )
}

/** A text as people can read it. */
const quoted = (sql: string): string => (sql.includes('$live$') ? literal(sql) : `$live$${sql}$live$`)

/** The statement that drops the live view of a table; another view of its name stays. */
export const dropLive = (view: QualifiedName): string => {
  const live = quoteName(liveViewOf(view))
  return block(
    'owner pg_catalog.name;',
    `
  select pg_get_userbyid(c.relowner) into owner from pg_class c where c.oid = to_regclass(${literal(live)}) and c.relkind = 'v' and obj_description(c.oid, 'pg_class') = ${literal(liveMark)};
  if owner is not null then
    perform set_config('role', owner, true);
    execute ${literal(`drop view ${live}`)};
  end if;`,
  )
}
