import { Problem } from '../../problem.ts'
import type { Sql } from '../../server/database.ts'
import { displayName, displayPart, literal, type QualifiedName, quoteName } from '../../sql/names.ts'
import { exactColumns } from '../plan/exact.ts'
import { type ChangeLog, functionsOf, logOf, triggersOf } from '../plan/log.ts'
import { proveSlices } from '../plan/prove.ts'
import { shownOf } from '../plan/shown.ts'
import { readQueries } from './read-queries.ts'

/**
 * The log that a materialized view needs so that its refreshes compute only the slices of column `by` that changed. Throws InvalidRequest, with the
 * reason, if the view does not fall into such slices, or if it does by several columns and none is named.
 */
export async function planLog(
  sql: Sql,
  view: { oid: number } & QualifiedName,
  by?: string,
): Promise<ChangeLog> {
  const refuse = (because: string): never => {
    throw new Problem('InvalidRequest', `${displayName(view)} has no log of changes: ${because}`, {
      field: 'by',
    })
  }
  const { views, facts } = await readQueries(sql, [view.oid])
  const found = views.get(view.oid)
  if (found === undefined) return refuse('it is no materialized view')
  if (found.because !== null) return refuse(found.because)
  const heirs = new Map(found.tables.map((table) => [table, facts.relations.get(table)!.heirs]))
  const { types, names, computed } = await readColumns(sql, view.oid, [...heirs.values()].flat())
  const proofs = found.tables.map((table) => {
    const { because, slices } = proveSlices(found, table, facts)
    const isStored = (column: string) => !computed.some(([id, name]) => id === table && name === column)
    return {
      table,
      because,
      slices,
      keys: slices.filter(({ isColumn, column }) => isColumn && isStored(column)),
    }
  })
  const all = [...new Set(proofs.flatMap(({ keys }) => keys.map((key) => key.by)))]
  const some = all.map(displayPart).join(', or of ')
  if (all.length === 0)
    return refuse(
      proofs.some(({ slices }) => slices.length > 0)
        ? 'a trigger cannot compute its keys. Make the key a stored generated column of the table, and read that'
        : (proofs.find(({ because }) => because !== null)?.because ?? 'it reads no table'),
    )
  if (by === undefined && all.length > 1) return refuse(`it falls into slices of ${some}: say by which`)
  const chosen = by ?? all[0]!
  if (!all.includes(chosen))
    return refuse(`it does not fall into slices of ${displayPart(chosen)}, but of ${some}`)
  const shown = shownOf(found, facts)
  if (shown === null)
    return refuse(
      'it computes its rows itself, and only a view that shows a plain view as it is can be filled by slices',
    )
  if (['whole', 'at'].includes(chosen)) return refuse(`the log has a column ${chosen} of its own`)
  if (Buffer.byteLength(logOf(view).name) > 54) return refuse('its name is too long for those of triggers')
  return {
    view: { schema: view.schema, name: view.name },
    shown,
    by: chosen,
    type: types[chosen]!,
    exact: exactColumns(found, facts)?.filter((column) => column !== chosen) ?? null,
    // By name: in every database the functions have the same numbers.
    tables: proofs
      .map(({ table, keys }) => ({
        name: names[table]!,
        relations: heirs.get(table)!.map((id) => ({ id, name: names[id]! })),
        isAlone: heirs.get(table)!.length === 1 && facts.relations.get(table)!.kind === 'r',
        key: keys.find((each) => each.by === chosen)?.column ?? null,
      }))
      .sort((one, other) => (one.name < other.name ? -1 : 1)),
  }
}

/** The types of a view's columns, as SQL writes them; the names of tables; and those of their columns that are computed when they are read. */
async function readColumns(sql: Sql, view: number, tables: number[]) {
  const ids = `array[${tables.join()}]::oid[]`
  const [row] = await sql.unsafe<
    { types: Record<string, string>; names: Record<number, string>; computed: [number, string][] }[]
  >(`
    select (select jsonb_object_agg(a.attname, ${typeOf}) from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = ${view} and a.attnum > 0) as types,
           (select jsonb_object_agg(c.oid, format('%I.%I', n.nspname, c.relname)) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any (${ids})) as names,
           (select coalesce(jsonb_agg(jsonb_build_array(a.attrelid::int8, a.attname)), '[]') from pg_attribute a where a.attrelid = any (${ids}) and a.attgenerated = 'v') as computed`)
  return row!
}

/** The type of column `a`, whose type is `t`, as SQL writes it, with a collation that is not the type's own. */
const typeOf = `format_type(a.atttypid, a.atttypmod) || case when a.attcollation <> t.typcollation then (
  select format(' collate %I.%I', k.nspname, l.collname) from pg_collation l join pg_namespace k on k.oid = l.collnamespace where l.oid = a.attcollation) else '' end`

/** The column by whose values what stands beside a view logs its changes; null: that is no log. */
export async function readLogged(sql: Sql, view: QualifiedName): Promise<string | null> {
  const { schema, name } = logOf(view)
  const [row] = await sql<{ by: string }[]>`
    select a.attname as by from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum = 1 join pg_attribute w on w.attrelid = c.oid and w.attnum = 2 and w.attname = 'whole'
     where n.nspname = ${schema} and c.relname = ${name}`
  return row?.by ?? null
}

/**
 * Why the log is not to be believed; null if it is exactly what `makeLog` makes, each trigger of it always fires, and all writes fire triggers; undefined if
 * there is no table of its name.
 */
export async function whyNoLog(sql: Sql, log: ChangeLog): Promise<string | null | undefined> {
  const { schema, name } = logOf(log.view)
  const triggers = triggersOf(log)
  const functions = functionsOf(log)
  const ids = log.tables.flatMap(({ relations }) => relations.map(({ id }) => id))
  const json = (value: unknown) => `${literal(JSON.stringify(value))}::jsonb`
  const [row] = await sql.unsafe<{ because: string | null }[]>(`
    select coalesce(
      case when c.relkind <> 'r' or c.relpersistence <> 'p' or c.relrowsecurity or c.relhasrules or c.relhastriggers or c.relispartition
                or exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent)) or c.relowner <> m.relowner or columns.text <> ${literal(`${log.by} ${log.type}, whole boolean, at xid8`)}
           then format('%s is not a log of changes as "viewkeeper slices" prints it', c.oid::regclass) end,
      (select format('%s has the right to %s in %s: revoke it', case a.grantee when 0 then 'everybody' else a.grantee::regrole::text end, lower(a.privilege_type), c.oid::regclass)
         from aclexplode(c.relacl) a where a.grantee not in (c.relowner, 0) and a.privilege_type <> 'SELECT' or a.grantee = 0 limit 1),
      (select format('%s, which it shows, does not belong to its owner', v.oid::regclass) from pg_class v where v.oid = ${log.shown.oid} and v.relowner <> m.relowner),
      (select format('%s, which it shows, is used by others, too', d.refobjid::regclass) from pg_depend d
        where d.refclassid = 'pg_class'::regclass and d.refobjid = ${log.shown.oid} and d.deptype = 'n' and not (d.classid = 'pg_rewrite'::regclass
              and d.objid in (select w.oid from pg_rewrite w where w.ev_class in (m.oid, ${log.shown.oid}))) limit 1),
      (select format('function %s is not as "viewkeeper slices" prints it', f ->> 'name') from jsonb_array_elements(${json(functions)}) f
        where not exists (select from pg_proc p join pg_language l on l.oid = p.prolang
               where p.pronamespace = c.relnamespace and p.pronargs = 0 and p.proname = f ->> 'name' and l.lanname = 'plpgsql'
                 and p.prosrc = f ->> 'body' and p.prosecdef and p.proconfig = '{"search_path=pg_catalog, pg_temp"}' and p.proowner = m.relowner) limit 1),
      (select format('%s has no trigger that tells each %s', t ->> 'relation', t ->> 'event') from jsonb_array_elements(${json(triggers)}) t
        where not exists (select from pg_trigger g join pg_proc p on p.oid = g.tgfoid
               where g.tgrelid = (t ->> 'id')::oid and g.tgenabled = 'A' and g.tgtype = (t ->> 'type')::int2 and g.tgqual is null and g.tgattr::text = ''
                 and p.pronamespace = c.relnamespace and p.proname = t ->> 'calls' and g.tgname = t ->> 'name'
                 and (g.tgoldtable is not null) = (t -> 'rows' ? 'old') and coalesce(g.tgoldtable, 'old_rows') = 'old_rows'
                 and (g.tgnewtable is not null) = (t -> 'rows' ? 'new') and coalesce(g.tgnewtable, 'new_rows') = 'new_rows') limit 1),
      (select format('a subscription writes %s, which fires no trigger of a statement', s.srrelid::regclass) from pg_subscription_rel s where s.srrelid = any (array[${ids.join()}]::oid[]) limit 1)) as because
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_class m on m.relnamespace = c.relnamespace and m.relname = ${literal(log.view.name)} and m.relkind = 'm'
     cross join lateral (
       select string_agg(a.attname || ' ' || ${typeOf}, ', ' order by a.attnum)
         from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) columns(text)
     where n.nspname = ${literal(schema)} and c.relname = ${literal(name)}`)
  return row === undefined ? undefined : row.because
}

/** The statements that drop a log with its triggers, as far as it is there. */
export async function readDropLog(sql: Sql, view: QualifiedName): Promise<string[]> {
  const { schema, name } = logOf(view)
  const [row] = await sql<{ functions: string[]; isThere: boolean }[]>`
    select to_jsonb(array(select p.proname from pg_proc p where p.pronamespace = n.oid and p.prorettype = 'trigger'::regtype and p.pronargs = 0
             and starts_with(p.proname, ${`${name}_`}) and substr(p.proname, ${name.length + 2}) ~ '^[0-9]+$' order by 1)) as functions,
           exists (select from pg_class c where c.relnamespace = n.oid and c.relname = ${name}) as "isThere"
      from pg_namespace n where n.nspname = ${schema}`
  return [
    ...(row?.functions ?? []).map((each) => `drop function ${quoteName({ schema, name: each })}() cascade`),
    ...(row?.isThere ? [`drop table ${quoteName({ schema, name })}`] : []),
  ]
}
