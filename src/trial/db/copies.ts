import { createHash } from 'node:crypto'
import type { LiveView, Reader } from '../../catalog/plan/live-view.ts'
import { liveViewQuery } from '../../catalog/plan/live-view-query.ts'
import { readableView } from '../../catalog/plan/server-sql.ts'
import { treesText } from '../../catalog/plan/tree/differences.ts'
import { executeStatements, executeTogether, StatementRefused } from '../../rebuild/db/statements.ts'
import { makePlace, makeShadow } from '../../rebuild/plan/make.ts'
import { apart } from '../../rebuild/plan/scope.ts'
import type { Sql } from '../../server/database.ts'
import { problemOf, sqlstateOf } from '../../server/failures.ts'
import { withSavepoint } from '../../server/transactions.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import { lost, type Meaning, type ViewCopy } from '../plan/copy.ts'

/** A cancel of one statement is meant for all of them. */
const canceled = '57014'

/** Empty copies of views in schemas of their own, which can be changed for a trial while others read the views. */
export interface Placeholders {
  /** The schema of the placeholders of the views in a schema. */
  schemas: Map<string, string>
  /** The OIDs of the views. */
  views: number[]
  /** Writes the names of the views for those of the placeholders, in all texts of a value. */
  named<T>(value: T): T
}

/**
 * Makes placeholders of views, parents first, which are with all that hangs on them as the views are, but hold no rows. No view
 * is locked. Null if that is impossible: our login may not create schemas, something that is no view reads one of them, or
 * SQL cannot copy one. `heirs` are roles that are to own some of the views. Execute in a transaction that is undone.
 */
export async function makePlaceholders(
  sql: Sql,
  views: Reader[],
  heirs: string[],
): Promise<Placeholders | null> {
  if (!views.every(({ live }) => isOnlyReadByViews(live)) || !(await mayAllCreate(sql, views, heirs)))
    return null
  const { scope, place } = apart(`trial_${crypto.randomUUID().slice(0, 8)}`, { members: views })
  const schemas = new Map(
    views.map(({ live }) => [live.view.schema, placeholderSchema(live.view.schema, place.shadows)]),
  )
  const shadows = (schema: string) => schemas.get(schema) ?? schema
  const named = <T>(value: T): T => JSON.parse(backIn(JSON.stringify(value), schemas)) as T
  const rebuild = {
    scope,
    place: { ...place, shadows, schemas: [...schemas.values()], movesStatistics: true },
  }
  try {
    await withSavepoint(sql, async (part) => {
      await executeStatements(part, makePlace(rebuild, heirs), false)
      await executeTogether(
        part,
        views.flatMap((view) => makeShadow(rebuild, view)),
      )
    })
  } catch (error) {
    const sqlstate = error instanceof StatementRefused ? sqlstateOf(error.cause) : sqlstateOf(error)
    if (sqlstate === undefined || sqlstate === canceled) throw problemOf(error)
    return null
  }
  const copies = views.map(
    ({ live }): ViewCopy => ({
      live: { ...live, view: { ...live.view, schema: shadows(live.view.schema) } },
    }),
  )
  const originals = await readTrees(
    sql,
    views.map(({ live }) => quoteName(live.view)),
  )
  const inViews = [...schemas]
    .map(([schema, shadow]) => `when ${literal(shadow)} then ${literal(schema)}`)
    .join(' ')
  const found = await readAgain(
    sql,
    copies,
    `format('%I.%I', case n.nspname ${inViews} else n.nspname end, c.relname)`,
  )
  for (const [at, { live }] of views.entries()) {
    const copy = named(found.get(copies[at] as ViewCopy))
    const meaning = originals.get(quoteName(live.view))
    const before = { live, ...(meaning && { meaning }) }
    if (lost(before, copy, { exactly: true }).length > 0) return null
  }
  const made = { schemas, views: views.map(({ oid }) => oid), named }
  return (await readsViews(sql, made)) ? null : made
}

/** Whether something other than the views and what was there before reads one of them: then a placeholder was missed. */
export async function readsViews(sql: Sql, { views }: Pick<Placeholders, 'views'>): Promise<boolean> {
  const [row] = await sql<{ missed: boolean }[]>`
    with originals as (select value::oid as oid from jsonb_array_elements_text(${sql.json(views)}))
    select exists (
      select from pg_depend d join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
       where d.refclassid = 'pg_class'::regclass and d.refobjid in (select oid from originals)
         and w.ev_class not in (select oid from originals)) as missed`
  return row?.missed ?? true
}

/** Triggers and rules of plain views name their views, so they are not copied. */
const isOnlyReadByViews = ({ dependents, triggers, rules }: LiveView): boolean =>
  dependents.every(({ reader }) => reader !== null) && triggers.length + rules.length === 0

/** Whether the owners may create in the schemas of the views: in those of the placeholders, they may in any case. */
async function mayAllCreate(sql: Sql, views: Reader[], heirs: string[]): Promise<boolean> {
  const needs = views.flatMap(({ live: { view, grants } }) => [
    ...[view.owner, ...heirs].map((role) => ({ role, schema: view.schema, privilege: 'create, usage' })),
    ...grants.map(({ grantor }) => ({ role: grantor, schema: view.schema, privilege: 'usage' })),
  ])
  const rows = await sql`
    select from jsonb_array_elements(${sql.json(needs)}) n, unnest(string_to_array(n ->> 'privilege', ', ')) p
     where not has_schema_privilege((n ->> 'role')::regrole::oid, n ->> 'schema', p) limit 1`
  return rows.length === 0
}

/** A name that SQL quotes if it quotes the name of the schema. */
const placeholderSchema = (schema: string, shadows: (schema: string) => string): string =>
  /^[a-z_][a-z0-9_$]*$/.test(schema) ? shadows(schema) : shadows(schema).replace('viewkeeper', 'Viewkeeper')

const backIn = (text: string, schemas: Map<string, string>): string =>
  [...schemas].reduce(
    (written, [schema, shadow]) => written.replaceAll(shadow, () => JSON.stringify(schema).slice(1, -1)),
    text,
  )

/** Whether names of views and indexes are free for placeholders' originals: nothing else has them. */
export async function areFree(sql: Sql, names: QualifiedName[], views: Reader[]): Promise<boolean> {
  const rows = await sql`
    with originals as (select value::oid as oid from jsonb_array_elements_text(${sql.json(views.map(({ oid }) => oid))}))
    select from jsonb_to_recordset(${sql.json(names as never)}) as x(schema text, name text)
      join pg_namespace n on n.nspname = x.schema join pg_class c on c.relnamespace = n.oid and c.relname = x.name
     where c.oid not in (select oid from originals)
       and c.oid not in (select indexrelid from pg_index where indrelid in (select oid from originals)) limit 1`
  return rows.length === 0
}

/** Another version, of Viewkeeper or of the server, writes trees in another way. */
const form = createHash('md5')
  .update(treesText('view', { all: true }))
  .digest('hex')

/**
 * The object that has the name of a used one by now: it may have been dropped and made again. Else that with its OID. PostgreSQL 15 looks up no
 * function whose argument has no type any more, so these are looked up first.
 */
const found = `coalesce(case
    when x ->> 'class' = 'pg_class' then to_regclass(x ->> 'name')::oid
    when x ->> 'class' = 'pg_type' then to_regtype(x ->> 'name')::oid
    when x ->> 'class' = 'pg_collation' then to_regcollation(x ->> 'name')::oid
    when x ->> 'class' not in ('pg_proc', 'pg_operator') or x ->> 'name' like '%"%' or exists (
      select from string_to_table(substring(x ->> 'name', '\\((.*)\\)$'), ',') a(type) where a.type not in ('', 'NONE') and to_regtype(a.type) is null) then null
    when x ->> 'class' = 'pg_proc' then to_regprocedure(x ->> 'name')::oid
    else to_regoperator(x ->> 'name')::oid end, (x ->> 'oid')::oid)`

/**
 * A hash of what a tree takes from the objects that it names, as an expression; `uses` is one for them. As long as it is the same, so is
 * the tree of a query that means the same. An operator may have moved. Constants of some types have OIDs in their bytes.
 */
const stateOf = (uses: string): string => `(
  select md5(concat('${form} ', current_setting('server_version_num'), string_agg(concat(
           case when x ->> 'class' = 'pg_operator' then (o.identity is not null)::text else o.identity end,
           (select t.oid from pg_type t where x ->> 'class' = 'pg_type' and t.oid = f.oid and (t.typtype in ('c', 'r', 'm') or t.typelem <> 0)),
           (select concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnum) from pg_attribute a
             where a.attrelid = f.oid and a.attnum = greatest((x ->> 'column')::int, 1) and not a.attisdropped and x ->> 'class' = 'pg_class')), ',' order by at)))
    from jsonb_array_elements(${uses}) with ordinality as u(x, at), lateral (select ${found} offset 0) as f(oid),
         lateral pg_identify_object((x ->> 'class')::regclass, f.oid, 0) o)`

/** Reads what views mean, by their names as SQL writes them. `nameOf` writes the names of views. */
export async function readTrees(sql: Sql, names: string[], nameOf?: string): Promise<Map<string, Meaning>> {
  const rows = await sql.unsafe<{ name: string; meaning: Meaning }[]>(`
    select asked.name, jsonb_build_object('trees', md5(tree.text), 'uses', used.uses, 'state', ${stateOf('used.uses')}) as meaning
      from jsonb_array_elements_text(${literal(JSON.stringify(names))}) as asked(name),
           lateral (${treesText('to_regclass(asked.name)::oid', { nameOf, all: true })}) as tree(text),
           lateral (
             select coalesce(jsonb_agg(distinct jsonb_build_object('class', d.refclassid::regclass, 'oid', d.refobjid::int8, 'column', d.refobjsubid,
                      'name', (pg_identify_object(d.refclassid, d.refobjid, 0)).identity)), '[]') as uses
               from (select 'pg_rewrite'::regclass as class, w.oid from pg_rewrite w where w.ev_class = to_regclass(asked.name)
                     union all select 'pg_class'::regclass, i.indexrelid from pg_index i where i.indrelid = to_regclass(asked.name)
                     union all select 'pg_statistic_ext'::regclass, s.oid from pg_statistic_ext s where s.stxrelid = to_regclass(asked.name)) as x
               join pg_depend d on d.classid = x.class and d.objid = x.oid
              where d.refobjid <> to_regclass(asked.name) and d.deptype in ('n', 'a')) as used`)
  return new Map(rows.map(({ name, meaning }) => [name, meaning]))
}

/** The items whose trees have to be as they were: what they name is there, with the same columns and types. */
export async function findComparable<C extends ViewCopy>(sql: Sql, items: C[]): Promise<Set<C>> {
  const asked = items.map(({ meaning }) => meaning ?? { uses: [], state: '' })
  const rows = await sql.unsafe<{ at: number }[]>(`
    select at::integer - 1 as at from jsonb_array_elements(${literal(JSON.stringify(asked))}) with ordinality as y(item, at)
     where item ->> 'state' = ${stateOf("item -> 'uses'")}`)
  return new Set(rows.map(({ at }) => items[at] as C))
}

/** Reads items again, by their names: what is there of them. All views at once, because the query takes long to plan. */
export async function readAgain<C extends ViewCopy>(
  sql: Sql,
  items: C[],
  nameOf?: string,
): Promise<Map<C, C>> {
  const names = items.map(({ live }) => quoteName(live.view))
  const meanings = await readTrees(sql, names, nameOf)
  const rows = await sql.unsafe<{ at: number; live: LiveView }[]>(
    `select x.at::int - 1 as at, doc.live
       from jsonb_array_elements_text(${literal(JSON.stringify(names))}) with ordinality as x(name, at),
            lateral (${liveViewQuery('to_regclass(x.name)::oid')}) as doc(live)`,
  )
  return new Map(
    rows.map(({ at, live }) => {
      const { meaning: _, ...item } = items[at] as C
      const meaning = meanings.get(names[at] as string)
      return [items[at] as C, { ...item, live: readableView(live), ...(meaning && { meaning }) } as C]
    }),
  )
}
