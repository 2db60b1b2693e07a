import type { Sql } from '../../../src/server/database.ts'
import { ofTheOwner } from './catalog.ts'

/** The catalog of a database with names in the place of OIDs. */
export interface NamedCatalog {
  /** Rows as texts, sorted, by catalog; `texts`: all that the server writes down as SQL. */
  rows: Record<string, string[]>
  /** The OID of each object, by its name. */
  oids: Record<string, string>
}

/** Columns about where data lies, columns that the server keeps changing, and trees, whose SQL is in `texts`. */
const left =
  'relfilenode,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,relhasindex,attcacheoff,' +
  'ev_action,ev_qual,polqual,polwithcheck,prosqlbody,indexprs,indpred,indcheckxmin,stxexprs,tgqual,adbin,' +
  'proargdefaults,conbin,typdefaultbin'

const catalogs: Record<string, string> = {
  pg_class: 'c.oid',
  pg_attribute: 'c.attrelid',
  pg_attrdef: 'c.oid',
  pg_type: 'c.oid',
  pg_index: 'c.indexrelid',
  pg_rewrite: 'c.oid',
  pg_proc: 'c.oid',
  pg_namespace: 'c.oid',
  pg_policy: 'c.oid',
  pg_trigger: 'c.oid',
  pg_constraint: 'c.oid',
  pg_statistic_ext: 'c.oid',
  pg_description: 'c.objoid',
  pg_depend: 'c.objid',
  pg_shdepend: 'c.objid',
  pg_default_acl: 'c.oid',
}

/** All rows of the catalogs about objects that are not the server's own. Roles keep their OIDs. */
export async function namedCatalog(sql: Sql): Promise<NamedCatalog> {
  const objects = await sql.unsafe<{ oid: string; name: string }[]>(`
    select oid::text, ident as name from (
      ${[
        'pg_class',
        'pg_type',
        'pg_rewrite',
        'pg_proc',
        'pg_policy',
        'pg_trigger',
        'pg_statistic_ext',
        'pg_attrdef',
        'pg_namespace',
        'pg_constraint',
      ]
        .map(
          (catalog) =>
            `select o.oid, '${catalog} ' || (pg_identify_object('${catalog}'::regclass, o.oid, 0)).identity as ident from ${catalog} o`,
        )
        .join(' union all ')}) x where oid >= 16384 and ident not like '%pg_toast.pg_toast_%'
    union all
    select t.oid::text, 'toast of ' || c.oid::regclass from pg_class c join pg_class t on t.oid = c.reltoastrelid where c.oid >= 16384
    union all
    select i.indexrelid::text, 'index of toast of ' || c.oid::regclass from pg_class c join pg_index i on i.indrelid = c.reltoastrelid where c.oid >= 16384`)
  const names = new Map(objects.map(({ oid, name }) => [oid, name]))
  const typed = await sql<{ catalog: string; column: string; type: string }[]>`
    select attrelid::regclass::text as catalog, attname as column, atttypid::regtype::text as type from pg_attribute
     where attrelid = any (${Object.keys(catalogs)}::text[]::regclass[]) and atttypid in ('oid'::regtype, 'oid[]'::regtype, 'oidvector'::regtype, 'name'::regtype)`
  /** A number in a text is no OID; one in a name is, if the server has made the name. */
  const named = (catalog: string, row: Record<string, unknown>) => {
    for (const { column, type } of typed.filter((each) => each.catalog === catalog && each.column in row))
      row[column] = JSON.parse(
        JSON.stringify(row[column]).replace(
          type === 'name' ? /(?<=^"(pg_toast_|RI_ConstraintTrigger_[ac]_))\d+/ : /\d+/g,
          (oid) => JSON.stringify(names.get(oid) ?? oid).slice(1, -1),
        ),
      )
    return JSON.stringify(row)
  }
  const rows: NamedCatalog['rows'] = {}
  for (const [catalog, oid] of Object.entries(catalogs)) {
    const shared =
      catalog === 'pg_shdepend'
        ? 'and c.dbid = (select oid from pg_database where datname = current_database())'
        : ''
    const found = await sql.unsafe<{ row: Record<string, unknown> }[]>(
      `select (to_jsonb(c) - '{${left}}'::text[]) || ${acls[catalog] ?? "'{}'"} as row from pg_catalog.${catalog} c where ${oid} >= 16384 ${shared}`,
    )
    rows[catalog] = found.map(({ row }) => named(catalog, row)).sort()
  }
  const texts = await sql.unsafe<{ text: string }[]>(`
    select relname || pg_get_viewdef(oid) as text from pg_class where relkind in ('v', 'm') and oid >= 16384
    union all select pg_get_indexdef(indexrelid) from pg_index where indexrelid >= 16384 and indrelid not in (select oid from pg_class where relkind = 't')
    union all select pg_get_statisticsobjdef(oid) from pg_statistic_ext
    union all select pg_get_ruledef(oid) from pg_rewrite where oid >= 16384
    union all select pg_get_triggerdef(oid) from pg_trigger
    union all select pg_get_functiondef(oid) from pg_proc where oid >= 16384 and prokind in ('f', 'p')
    union all select concat_ws('/', polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy
    union all select concat_ws('/', adrelid::regclass, adnum, pg_get_expr(adbin, adrelid)) from pg_attrdef
    union all select pg_get_constraintdef(oid) from pg_constraint where oid >= 16384`)
  rows.texts = texts.map(({ text }) => text).sort()
  return { rows, oids: Object.fromEntries(objects.map(({ oid, name }) => [name, oid])) }
}

/** Privileges in an order of their own. */
const sorted = (column: string, owner?: string) => `
  jsonb_build_object('${column}', (select coalesce(jsonb_agg(e::text order by e::text), '[]')
    from aclexplode(${owner === undefined ? `c.${column}` : `coalesce(c.${column}, acldefault('r', c.relowner))`}) e))`
const acls: Record<string, string> = {
  pg_class: sorted('relacl', 'relowner'),
  pg_attribute: `${sorted('attacl')} || jsonb_build_object('attoptions', ${ofTheOwner('c.attoptions')})`,
  pg_type: sorted('typacl'),
  pg_proc: sorted('proacl'),
}

/** The names of the objects that are not the same any more, though a name is. */
export const changedObjects = (before: NamedCatalog, after: NamedCatalog): string[] =>
  Object.keys(before.oids).filter((name) => before.oids[name] !== after.oids[name])
