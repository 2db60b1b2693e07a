import type { Sql } from '../../server/database.ts'
import { literal, logName, logSchema, quoteName } from '../../sql/names.ts'
import { displayName, displayPart, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { exactColumns } from '../plan/exact.ts'
import { othersCreate } from '../plan/forget.ts'
import { times } from '../plan/key.ts'
import {
  type ChangeLog,
  keyOf,
  logOfPart,
  logsOf,
  longestLogged,
  tooLongForLog,
  triggersOf,
} from '../plan/log.ts'
import { type Join, proveJoins, proveSlices, type SliceKey } from '../plan/prove.ts'
import type { ReadLog } from '../plan/rows.ts'
import { noLog, readLogged } from './kept.ts'
import { readQueries } from './read-queries.ts'

/**
 * The log that an incremental table needs so that its refreshes compute only the slices of column `by` that changed. Throws InvalidRequest, with the
 * reason, if the view does not fall into such slices, or if it does by several columns and none is named. Where rows of another table are joined by
 * several columns, any of them will do: it is that of the log that is `there`, or one that is unique.
 */
export async function planLog(
  sql: Sql,
  view: LoggedView,
  by?: string,
  there: ReadLog | null = null,
): Promise<ChangeLog> {
  const plans = await readLogKeys(sql, view)
  const several = plans.keys.map(displayPart).join(', or of ')
  const because =
    plans.because ??
    (by === undefined
      ? plans.keys.length > 1
        ? `it falls into slices of ${several}: say by which`
        : null
      : plans.keys.includes(by)
        ? null
        : (plans.whyNot.get(by) ?? `it does not fall into slices of ${displayPart(by)}, but of ${several}`))
  if (because !== null) {
    const next = because === plans.because ? plans.next : undefined
    const more = next === undefined ? '' : `: ${next}`
    throw new Problem('InvalidRequest', `${displayName(view)} has no change log: ${because}${more}`, {
      field: 'by',
      next,
    })
  }
  return plans.of(by ?? plans.keys[0]!, there)
}

/** A view beside which a log may stand, were it an incremental table. `query`: of one, that of its query. */
export type LoggedView = { oid: number; query?: number | null } & QualifiedName

/** A row of a table touches the slices of those of `table` that it joins; or all, because of something. */
export type JoinedTable = { table: string; because: string | null } & Join

/**
 * By which columns of a view it may have a change log, or why by none; and why not by those of which it falls into slices, too. `joined`: what of its tables without
 * a key such a log notes, or why it does not, by their names.
 */
async function readLogKeys(sql: Sql, view: LoggedView) {
  const root = view.query ?? view.oid
  const { views, facts } = await readQueries(sql, [root])
  const found = views.get(root)
  const proofs = (found?.because === null ? found.tables : []).map((table) => ({
    table,
    ...proveSlices(found!, table, facts),
  }))
  const joins = proofs.flatMap(({ table, slices }) => {
    if (slices.length === 0) return []
    const others = found!.tables.filter((other) => other !== table)
    return proveJoins(found!, table, others, facts).map((join) => ({ table, ...join }))
  })
  const nameOf = (table: number) => facts.relations.get(table)!.name
  const read = await readLoggable(sql, view.oid, [
    ...proofs.map(({ table, slices }) => [table, slices.map(({ column }) => column)] as const),
    ...joins.flatMap(({ table, other, column, to }) => [[other, [column]] as const, [table, [to]] as const]),
  ])
  const typesOf = (table: number, column: string) =>
    read.tables.find(({ id }) => id === table)!.columns[column]
  const columnOf = (table: number, column: string, collation = '') => {
    const { declared, type } = typesOf(table, column)!
    return { column, declared, type: `${type}${collation}`, plain: type }
  }
  /** Of `bit` a log would make bit(1), and no operator compares a domain with the values of an enumeration. Somebody may just have renamed the column. */
  const isLoggable = (table: number, column: string) => {
    const types = typesOf(table, column)
    const isOdd = types?.type === 'bit' || (types?.type.includes('.') && types.type !== types.declared)
    return types !== undefined && !isOdd && types.unseen === null
  }
  /** The types of the columns that a log may compute. */
  const computed = new Map(
    [...(found?.columns ?? [])].map(([at, name]) => [name, times.get(found!.types.get(at)!)]),
  )
  /** Of a type of the server: under the name of a domain there may be another type, and a cast of its owner's, tomorrow. */
  const isTime = (table: number, column: string) =>
    [...times.values()].includes(typesOf(table, column)?.declared ?? '')
  const isKept = ({ table }: { table: number }, { by, isColumn, column, bySettings, sql }: SliceKey) =>
    isLoggable(table, column) &&
    // Whoever may read the log reads the values: also of rows that a plain view of somebody else hides from him.
    typesOf(table, column)!.isRead &&
    (isColumn || (sql !== null && !bySettings && isTime(table, column) && computed.get(by) !== undefined))
  const kept = proofs.flatMap((proof) =>
    proof.slices.filter((each) => isKept(proof, each)).map((key) => key.by),
  )
  const keys = [...new Set(kept)].filter((key) => !own.has(key))
  const isOwn = (column: string) => `the log has a column ${column} of its own`
  const whyUnread = (table: number, columns: string[]) => {
    const column = columns.find((each) => !typesOf(table, each)?.isRead)
    return column === undefined
      ? null
      : `${read.owner} may not select ${nameOf(table)}.${displayPart(column)}`
  }
  const whyNoValues = (table: number, column: string, name = column) =>
    typesOf(table, column)?.unseen ??
    `${displayPart(name)} has type ${typesOf(table, column)?.declared}, of which a log cannot note values`
  const whyNot = new Map(
    proofs.flatMap(({ table, slices }) =>
      slices
        .filter((slice) => !keys.includes(slice.by))
        .map(
          (slice) =>
            [
              slice.by,
              kept.includes(slice.by)
                ? isOwn(slice.by)
                : isLoggable(table, slice.column) && !typesOf(table, slice.column)?.isRead
                  ? whyUnread(table, [slice.column])!
                  : slice.isColumn || typesOf(table, slice.column)?.unseen
                    ? whyNoValues(table, slice.column, slice.by)
                    : whyComputed(slice, nameOf(table)),
            ] as const,
        ),
    ),
  )
  const odd = read.tables.find((table) => table.odd !== null)?.odd ?? null
  const because =
    found === undefined
      ? 'it is gone'
      : (found.because ??
        (keys.length === 0
          ? ([...whyNot.values()][0] ??
            proofs.find(({ because }) => because !== null)?.because ??
            found.instead)
          : Buffer.byteLength(logName(view)) > longestLogged
            ? `its name is too long: ${tooLongForLog}`
            : (odd?.because ?? null)))
  const keyIn = (by: string, table: number) => {
    const proof = proofs.find((each) => each.table === table)!
    const slice = proof.slices.find((each) => each.by === by && isKept(proof, each))
    if (slice === undefined) return null
    const key = columnOf(table, slice.column, read.collations[by])
    return {
      ...key,
      ...(!slice.isColumn && { type: computed.get(by)!, plain: computed.get(by)!, computed: slice.sql! }),
    }
  }
  // By name: in every database the parts have the same numbers.
  const tables = read.tables.toSorted((one, other) => (one.name < other.name ? -1 : 1))
  /** By what rows of part `at`, without the key, are joined with those of a table that has it, and why the log does not note that; undefined: by nothing. */
  const joinOf = (by: string, at: number, there: ReadLog | null) => {
    const { id, name } = tables[at]!
    const part = there?.parts.find(({ log }) => log === logOfPart(view, at))
    const found = joins.flatMap(({ table, other, column, to }) => {
      const key = keyIn(by, table)
      if (other !== id || key === null) return []
      // The collation of a name is its own, and no text's. Whoever may read the log reads the values.
      const because = own.has(column)
        ? isOwn(column)
        : !isLoggable(id, column) || typesOf(id, column)!.type === 'name'
          ? whyNoValues(id, column)
          : part?.joined === column
            ? null
            : (whyUnread(id, [column]) ??
              (part ? `the log that is there does not note ${name}.${displayPart(column)}` : null))
      return { column, because, joined: { table, column: to, key: key.column, computed: key.computed } }
    })
    return found.find(({ because }) => because === null) ?? found[0]
  }
  return {
    keys,
    because,
    /** What to type first if \`because\` can be mended. */
    next: because === odd?.because ? (odd?.next ?? undefined) : undefined,
    whyNot,
    of: (by: string, there: ReadLog | null): ChangeLog => ({
      view: { schema: view.schema, name: view.name },
      query: root,
      by,
      exact: exactColumns(found!, facts)?.filter((column) => column !== by) ?? null,
      tables: tables.map(({ id, name, relations }, at) => {
        const key = keyIn(by, id)
        const join = key === null ? joinOf(by, at, there) : undefined
        if (join?.because !== null) return { name, relations, key, joined: null }
        return { name, relations, key: columnOf(id, join.column), joined: join.joined }
      }),
    }),
    joined: (by: string, there: ReadLog | null) =>
      tables.flatMap(({ id, name }, at) => {
        const join = keyIn(by, id) === null ? joinOf(by, at, there) : undefined
        if (join === undefined) return []
        const { column, joined } = join
        const { table, column: to, key } = joined
        const { heirs, kind } = facts.relations.get(table)!
        const because =
          join.because ??
          (kind === 'r' && heirs.length > 1
            ? `${nameOf(table)} has child tables, which may have no index`
            : whyUnread(table, [to, key]))
        return [[name, { table: nameOf(table), column, to, because }] as const]
      }),
  }
}

/** The names of a log's own columns. */
const own = new Set(['whole', 'at'])

const whyComputed = ({ by, column, bySettings }: SliceKey, table: string): string =>
  `${displayPart(by)} is computed from ${table}.${displayPart(column)} ` +
  (bySettings
    ? "as settings say: name the zone, as in (at at time zone 'UTC')::date"
    : 'otherwise than by date_trunc, casts of dates and timestamps, and named zones. Make it a stored generated column of the table, and read that')

/**
 * Why a view that falls into slices may have no change log: by none of them, or by some; and what a change of a table touches that is joined with one of
 * them, by its name: by the log that is there, or by one of those that it may have.
 */
export async function readLoggability(
  sql: Sql,
  view: LoggedView,
): Promise<{ noLog: string[]; joined: Map<string, JoinedTable> }> {
  const { because, next, keys, whyNot, joined } = await readLogKeys(sql, view)
  if (because !== null)
    return { noLog: [next === undefined ? because : `${because}: ${next}`], joined: new Map() }
  const there = await readLogged(sql, view)
  const found = new Map<string, JoinedTable>()
  for (const by of keys.filter((key) => there === null || key === there.by))
    for (const [table, each] of joined(by, there))
      if (!found.has(table) || each.because === null) found.set(table, each)
  return { noLog: [...whyNot.values()], joined: found }
}

/** The log of a view by a column, and why it is not to be believed: null if it may be, undefined if nothing of it is there. */
export async function readLog(
  sql: Sql,
  view: LoggedView,
  by: string | undefined,
): Promise<
  ({ log: ChangeLog; because: string | null | undefined } | { log: null; because: string }) & {
    /** What to type first, because a new log would not be used either. */
    next?: string | undefined
  }
> {
  try {
    const log = await planLog(sql, view, by, await readLogged(sql, view))
    return { log, because: await whyNoLog(sql, log) }
  } catch (error) {
    if (error instanceof Problem) return { log: null, because: error.message, next: error.details.next }
    throw error
  }
}

/** Why the log that a view has to have is not used, and what to type first, if not `newLog`; null: it is used. */
export async function whyUnused(
  sql: Sql,
  view: LoggedView,
): Promise<{ because: string; next?: string | undefined } | null> {
  const logged = await readLogged(sql, view)
  if (logged === null) return { because: noLog }
  const { because, next } = await readLog(sql, view, logged.by)
  return typeof because === 'string' ? { because, next } : null
}

/** What people have to know of the log that a view has: why it is not used, or that nothing checks it; null: nothing, or there is none. */
export async function readLogNote(sql: Sql, view: LoggedView): Promise<string | null> {
  const logged = await readLogged(sql, view)
  if (logged === null) return null
  const { log, because } = await readLog(sql, view, logged.by)
  return typeof because === 'string' ? `it is not used: ${because}` : log?.exact === null ? unchecked : null
}

/** Of a log of a view of which `exactColumns` knows nothing. */
export const unchecked =
  'the daily refresh cannot check it, because the query of the view does not tell which rows there are'

interface Loggable {
  id: number
  name: string
  relations: { id: number; name: string }[]
  /** The types of the columns that may be keys, or joined: as declared, and without domains and lengths; whether the owner of the view may read them; why no trigger sees them. */
  columns: Record<string, { declared: string; type: string; isRead: boolean; unseen: string | null }>
  /** Why its writes cannot be logged, and the SQL that mends it, of our words and quoted names. */
  odd: { because: string; next: string | null } | null
}

/** What a log needs to know of the tables of a view; its owner; the collations of its columns that are not those of the types. */
async function readLoggable(
  sql: Sql,
  view: number,
  columns: (readonly [table: number, readonly string[]])[],
) {
  const ids = `array[${[...new Set(columns.map(([table]) => table))].join()}]::oid[]`
  const keys = JSON.stringify(columns)
  const [row] = await sql.unsafe<
    {
      owner: string
      collations: Record<string, string>
      tables: Loggable[]
    }[]
  >(`
    with recursive below(root, id) as (
      select id, id from unnest(${ids}) id union select b.root, i.inhrelid from below b join pg_inherits i on i.inhparent = b.id),
    parts(root, id) as (
      table below union select p.root, i.inhparent from parts p join pg_inherits i on i.inhrelid = p.id),
    -- Whose rows a statement on one of these may bring.
    written(root, id) as (
      table parts union select w.root, i.inhrelid from written w join pg_inherits i on i.inhparent = w.id),
    named as (select c.*, format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid in (select id from written)),
    layout(id, has) as (select a.attrelid, string_agg(concat(a.attname, case when a.attisdropped then concat(a.attlen, a.attalign) end), '/' order by a.attnum) from pg_attribute a where a.attrelid in (select id from parts) and a.attnum > 0 group by 1)
    select o.owner::regrole::text as owner,
           (select coalesce(jsonb_object_agg(a.attname, ${collationOf}), '{}') from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = ${view} and a.attnum > 0) as collations,
           (select coalesce(jsonb_agg(jsonb_build_object('id', r.oid::int8, 'name', r.name,
              'relations', (select jsonb_agg(jsonb_build_object('id', e.oid::int8, 'name', e.name) order by e.oid) from parts p join named e on e.oid = p.id where p.root = r.oid),
              'columns', (select coalesce(jsonb_object_agg(a.attname, jsonb_build_object('declared', format_type(a.atttypid, null),
                  'isRead', has_schema_privilege(o.owner, r.relnamespace, 'usage') and has_column_privilege(o.owner, r.oid, a.attnum, 'select'), 'unseen', format('%s.%I ', r.name, a.attname) || (case a.attgenerated when 'v' then 'is not stored; make it a stored generated column' when 's' then
                    -- It is computed for the partition. The triggers of a parent with another layout see the row that was to be inserted, without it.
                    (select format('is generated, and %s has its columns in other places, so the server does not tell what is inserted', e.name) from parts p
                       join named e on e.oid = p.id and e.relispartition join layout l on l.id = e.oid join pg_inherits i on i.inhrelid = e.oid join layout m on m.id = i.inhparent
                      where p.root = r.oid and l.has <> m.has order by 1 limit 1) end), 'type', (
                  with recursive base(type) as (select a.atttypid union select d.typbasetype from base b join pg_type d on d.oid = b.type and d.typtype = 'd')
                  select format_type(b.type, null) from base b join pg_type d on d.oid = b.type where d.typtype <> 'd'))), '{}')
                from pg_attribute a where a.attrelid = r.oid and a.attname in (
                  select jsonb_array_elements_text(k -> 1) from jsonb_array_elements(${literal(keys)}::jsonb) k where (k ->> 0)::oid = r.oid)),
              'odd', coalesce(
                (select jsonb_build_object('because', format('%s belongs to %s, and %s, whose rows it shares, to %s', r.name, r.relowner::regrole, e.name, e.relowner::regrole),
                          'next', case when exists (select from below b where b.root = r.oid and b.id = e.oid) then format('alter table %s owner to %s', e.name, r.relowner::regrole) else format('alter table %s owner to %s', r.name, e.relowner::regrole) end)
                   from parts p join named e on e.oid = p.id where p.root = r.oid and e.relowner <> r.relowner order by e.oid limit 1),
                (select jsonb_build_object('because', format('who writes to %s may write to %s, of which no trigger of a statement sees rows', r.name, e.name))
                   from written p join named e on e.oid = p.id where p.root = r.oid and e.relkind = 'f' order by e.oid limit 1)))), '[]')
              from named r where r.oid = any (${ids})) as tables
      from (select relowner as owner from pg_class where oid = ${view}) o`)
  return row!
}

/** A collation of column \`a\` that is not that of its type \`t\`, as SQL writes it; '' otherwise. */
const collationOf = `case when a.attcollation <> t.typcollation then (
  select format(' collate %I.%I', k.nspname, l.collname) from pg_collation l join pg_namespace k on k.oid = l.collnamespace where l.oid = a.attcollation) else '' end`

/**
 * Why the log is not to be believed; null if all of it is exactly what \`makeLog\` makes, each trigger of it always fires, and all writes fire triggers;
 * undefined if nothing of it is there.
 */
export async function whyNoLog(sql: Sql, log: ChangeLog): Promise<string | null | undefined> {
  const parts = logsOf(log)
  const json = (value: unknown) => `${literal(JSON.stringify(value))}::jsonb`
  const expected = parts.map((each) => ({
    log: each.log,
    name: each.name,
    on: each.table.name,
    key: each.table.key && keyOf(each.table.key),
    columns: each.columns.join(', '),
    functions: each.functions,
    triggers: triggersOf(each),
  }))
  const [row] = await sql.unsafe<{ isThere: boolean; because: string | null }[]>(`
    with schema as (select n.*, (select k.nspowner from pg_namespace k where k.nspname = 'viewkeeper') as keeper from pg_namespace n where n.nspname = '${logSchema}'),
    part as (
      select p ->> 'log' as log, p ->> 'name' as name, p ->> 'on' as "on", p ->> 'key' as key, p ->> 'columns' as columns, p -> 'functions' as functions, p -> 'triggers' as triggers,
             t.relowner as writer, m.relowner as reader, c.*
        from jsonb_array_elements(${json(expected)}) with ordinality p(p, nr)
        join pg_class t on t.oid = (p ->> 'on')::regclass
        join pg_class m on m.oid = ${literal(quoteName(log.view))}::regclass
        left join (pg_class c join schema n on n.oid = c.relnamespace) on c.relname = p ->> 'name'
       order by nr),
    ours as (
      select p.*, f.*, (p.log || '(' || (f.value ->> 'arguments') || ')') as called, d.oid as is
        from part p cross join lateral jsonb_array_elements(p.functions) f(value)
        left join pg_proc d on d.oid = to_regprocedure(quote_ident('${logSchema}') || '.' || quote_ident(f.value ->> 'name') || '(' || (f.value ->> 'arguments') || ')'))
    select exists (select from part where oid is not null) as "isThere", coalesce(
      (select format('schema ${logSchema} does not belong to %s, or others may create in it, which the SQL of npx viewkeeper doctor mends', n.keeper::regrole) from schema n
        where n.nspowner <> n.keeper or ${othersCreate}),
      (select format('the log of %s is not there', p.on) from part p where p.oid is null limit 1),
      (select format('%s belongs to %s, and has to belong to %s, as %s does', p.log, p.relowner::regrole, p.writer::regrole, p.on) from part p where p.relowner <> p.writer limit 1),
      (select format(case when exists (select from ours o join pg_proc e on e.oid = o.is where o.key = was.key or e.prosrc like format(E'\\n-- %s\\n%%', f.key)) then 'it was made when the tables that the query reads had other names' else 'it notes %s where %s of %s is the key now' end, was.key, coalesce(f.key, 'nothing'), f.on)
         from ours f join pg_proc d on d.oid = f.is cross join lateral (select substring(d.prosrc from '^\\n-- ([^\\n]*)')) was(key)
        where f.value ->> 'arguments' = '' and was.key <> coalesce(f.key, '') limit 1),
      (select format('%s has the right to %s in %s: revoke %2$s on %3$s from %4$s', case a.grantee when 0 then 'everybody' else a.grantee::regrole::text end, lower(a.privilege_type), p.log,
                     case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
         from part p cross join lateral (
           select * from aclexplode(p.relacl) union all
           select g.* from pg_attribute t cross join lateral aclexplode(t.attacl) g where t.attrelid = p.oid) a
        where a.grantee <> p.writer and not (a.grantee = p.reader and a.privilege_type = 'SELECT' and not a.is_grantable) limit 1),
      (select format('%s may not read %s: grant select on %2$s to %1$s', p.reader::regrole, p.log) from part p where not has_table_privilege(p.reader, p.oid, 'SELECT') limit 1),
      (select format('%s may not use schema ${logSchema}: grant usage on schema ${logSchema} to %1$s', r.role::regrole) from part p cross join lateral (values (p.reader), (p.writer)) r(role)
        where p.oid is not null and not has_schema_privilege(r.role, p.relnamespace, 'usage') limit 1),
      -- By a membership, or as a superuser, they would come and go without a trace in between.
      (select format('%s may write %s by no right of its own: grant usage on schema ${logSchema} to %1$s; grant insert on %2$s to %1$s', p.writer::regrole, p.log) from part p join schema n on true
        where p.oid is not null and not (
          exists (select from aclexplode(coalesce(p.relacl, acldefault('r', p.relowner))) a where a.grantee = p.writer and a.privilege_type = 'INSERT')
          and exists (select from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a where a.grantee in (0, p.writer) and a.privilege_type = 'USAGE')) limit 1),
      (select format('%s may not execute %s: grant execute on function %2$s to %1$s', f.reader::regrole, f.called) from ours f
        where f.value ->> 'arguments' <> '' and not has_function_privilege(f.reader, f.is, 'EXECUTE') limit 1),
      (select format('%s may write all tables, and so the log: revoke pg_write_all_data from %1$s', m.member::regrole) from pg_auth_members m join pg_roles r on r.oid = m.member
        where m.roleid = 'pg_write_all_data'::regrole and not r.rolsuper limit 1),
      (select format('%s is not as freeze made it', p.log) from part p
        where p.relkind <> 'r' or p.relpersistence <> 'p' or p.relam <> 2 or p.relreplident <> 'f' or p.relrowsecurity or p.relhasrules or p.relhastriggers or p.relispartition
           or p.relchecks > 0 or p.columns is distinct from (
             select string_agg(concat_ws(' ', '"' || replace(a.attname, '"', '""') || '"', format_type(a.atttypid, a.atttypmod) || ${collationOf}, case when a.attnotnull then 'not null' end,
                               nullif(concat(a.attgenerated, a.attidentity), ''), case when d.adbin::text ~ '^{CONST :consttype 16 [^{}]*[[] 0( 0)* []]}$' then 'default false'
                                 when d.adbin::text ~ concat('^{FUNCEXPR :funcid ', 'pg_current_xact_id'::regproc::oid, ' [^{}]*:args <> [^{}]*}$') then 'default pg_current_xact_id()' else 'default ' || d.adbin::text end), ', ' order by a.attnum)
               from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
              where a.attrelid = p.oid and a.attnum > 0 and not a.attisdropped)
           or exists (select from pg_inherits i where p.oid in (i.inhrelid, i.inhparent)) or exists (select from pg_index i where i.indrelid = p.oid)
           or exists (select from pg_constraint k where k.conrelid = p.oid and k.contype <> 'n') limit 1),
      (select format('function %s of the log is not as freeze made it', f.value ->> 'name') from ours f left join pg_proc d on d.oid = f.is
        where d.oid is null or d.prolang <> (select l.oid from pg_language l where l.lanname = 'plpgsql') or d.prosrc <> f.value ->> 'body' or not d.prosecdef
           or array_replace(d.proconfig, 'search_path="pg_catalog", "pg_temp"', 'search_path=pg_catalog, pg_temp') is distinct from array['search_path=pg_catalog, pg_temp', f.value ->> 'set'] or d.proowner <> f.writer or d.provolatile <> 'v' or d.proisstrict or d.proretset
           or exists (select from aclexplode(coalesce(d.proacl, acldefault('f', d.proowner))) a
                       where a.grantee <> d.proowner and not (a.grantee = f.reader and f.value ->> 'arguments' <> '' and not a.is_grantable)) limit 1),
      (select format('%s has no trigger that tells each %s', t ->> 'relation', t ->> 'event') || case when g.tgenabled <> 'A' then
                format(' always: alter table %s enable always trigger %I', t ->> 'relation', t ->> 'name') else '' end
         from part p cross join lateral jsonb_array_elements(p.triggers) t left join pg_trigger g on g.tgrelid = (t ->> 'id')::oid and g.tgname = t ->> 'name'
        where (g.tgenabled = 'A' and g.tgtype = (t ->> 'type')::int2 and g.tgqual is null and g.tgattr::text = ''
               and g.tgfoid = (select f.is from ours f where f.name = p.name and f.value ->> 'arguments' = '')
               and (g.tgoldtable is not null) = (t -> 'rows' ? 'old') and coalesce(g.tgoldtable, 'old_rows') = 'old_rows'
               and (g.tgnewtable is not null) = (t -> 'rows' ? 'new') and coalesce(g.tgnewtable, 'new_rows') = 'new_rows') is not true limit 1),
      (select format('a subscription writes %s, which fires no trigger of a statement', s.srrelid::regclass) from pg_subscription_rel s
        where s.srrelid in (select (t ->> 'id')::oid from part p cross join lateral jsonb_array_elements(p.triggers) t) limit 1)) as because`)
  return row!.isThere ? row!.because : undefined
}
