import { setTimeout as pause } from 'node:timers/promises'
import { type AsideItem, type Below, describeItem, isView } from '../../plan/aside/items.ts'
import { makeAttached } from '../../plan/aside/make.ts'
import { type CalledNow, type Renames, renamesSince } from '../../plan/aside/renames.ts'
import { type QualifiedName, quoteName } from '../../plan/names.ts'
import { Problem } from '../../problem.ts'
import { executeStatements, StatementRefused } from '../runs/statements.ts'
import { toSetRole } from '../server/acting.ts'
import { type Sql, withSavepoint } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { undone } from '../server/undone.ts'
import { readPolicy } from './in-the-way.ts'
import { makeItem, noLongerFits, perform, readAgain, type Source } from './perform.ts'

/** New readers wait while we queue for the lock of a table, so we queue briefly and often. */
const shortLockMs = 100
const longestMs = 60_000

/**
 * The items with texts that name what they read as it is called by now. The server carries a view over a rename of what the
 * view reads, but not the text of a view that is away. So for a moment the columns and relations get their former names, the
 * items are made, the names are given back, and the server writes the texts; then all of it is undone. Refuses
 * (InsufficientPrivilege) a table as whose owner our login may not act.
 */
export async function followRenames(sql: Sql, items: AsideItem[], source: Source): Promise<AsideItem[]> {
  const renames = await readRenames(sql, items)
  if (renames.size === 0) return items
  for (const until = Date.now() + longestMs; ; ) {
    try {
      return await undone(sql, (part) => writeAgain(part, items, source, renames))
    } catch (error) {
      if (!isLocked(error)) throw error
      if (Date.now() >= until) {
        throw new Problem(
          'LockTimeout',
          'A table that was renamed, or that has a renamed column, was not unlocked in time. Try again when nobody works on it.',
        )
      }
      await pause(50 + Math.random() * 100)
    }
  }
}

const isLocked = (error: unknown): boolean =>
  [error, (error as Error).cause].some((each) => ['55P03', '40P01'].includes(sqlstateOf(each) ?? ''))

async function writeAgain(
  sql: Sql,
  items: AsideItem[],
  source: Source,
  renames: Map<AsideItem, Renames>,
): Promise<AsideItem[]> {
  await sql`select set_config('lock_timeout', ${String(shortLockMs)}, true)`
  const made = new Set<AsideItem>()
  const under = async (item: AsideItem, work: (sql: Sql) => Promise<unknown>) => {
    const { there, back } = renames.get(item) ?? { there: [], back: [] }
    try {
      await executeStatements(sql, there, false)
      // What does not fit is refused when it is really made.
      await withSavepoint(sql, work).catch((error) => {
        const isRefused = error instanceof StatementRefused || error instanceof Problem
        if (!isRefused || isLocked(error)) throw error
      })
      await executeStatements(sql, back, false)
    } catch (error) {
      // Under its new names, the old text could mean something else.
      throw error instanceof StatementRefused && !isLocked(error)
        ? noLongerFits(item, error, source.advice)
        : error
    }
  }
  for (const item of items)
    await under(item, async (part) => {
      if ((await makeItem(part, item, source)).how === 'made') made.add(item)
    })
  for (const item of items.filter(isView).filter((each) => made.has(each)))
    await under(item, (part) => perform(part, item, makeAttached(item), ''))
  const written: AsideItem[] = []
  for (const item of items)
    written.push(renames.has(item) && made.has(item) ? await readText(sql, item) : item)
  return written
}

/** The item with its text as the server writes it now. */
async function readText(sql: Sql, item: AsideItem): Promise<AsideItem> {
  if (item.kind === 'policy') {
    const table = item.below?.find((each) => quoteName(each) === quoteName(item.table))
    const found = table && (await readPolicy(sql, item.name, table.oid))
    return found === undefined ? item : { ...item, table: found.table, rest: found.rest }
  }
  const found = (await readAgain(sql, [item])).get(item)
  if (item.kind === 'function')
    return found?.kind === 'function' ? { ...item, definition: found.definition } : item
  if (found?.kind !== 'view') return item
  const { live, frozen: _, ...rest } = item
  const isWhole = live.rules.length === found.live.rules.length
  return {
    ...rest,
    live: {
      ...live,
      view: { ...live.view, definition: found.live.view.definition },
      columns: live.columns.map((column, at) => ({
        ...column,
        default: found.live.columns[at]?.default ?? null,
      })),
      rules: isWhole ? found.live.rules : live.rules,
    },
  }
}

/** The renames of each item that reads something under another name by now. */
async function readRenames(sql: Sql, items: AsideItem[]): Promise<Map<AsideItem, Renames>> {
  const { now, taken } = await readNames(
    sql,
    items.flatMap(({ below = [] }) => below),
  )
  const found = items.flatMap((item): [AsideItem, Renames][] => {
    const renames = renamesSince(item.below ?? [], now, (name) => taken.has(quoteName(name)))
    return renames === null ? [] : [[item, renames]]
  })
  await insistOnOwners(sql, found)
  return new Map(found)
}

async function insistOnOwners(sql: Sql, found: [AsideItem, Renames][]): Promise<void> {
  const needed = found.flatMap(([item, { owners }]) =>
    [...owners].map((role) => ({ role, item: describeItem(item) })),
  )
  const [row] = await sql<{ role: string; item: string }[]>`
    select x.role, x.item from jsonb_to_recordset(${sql.json(needed)}) as x(role text, item text)
     where not pg_has_role(x.role::regrole::oid, ${toSetRole(sql)}) limit 1`
  if (row === undefined) return
  throw new Problem(
    'InsufficientPrivilege',
    `${row.item} reads a table that was renamed, or a column that was, and the table belongs to ${row.role}, as which our login may not act. ` +
      `So the view cannot be made with the new name. Grant ${row.role} to the login, or give a new definition along with --with <migration>.up.sql.`,
  )
}

/** How relations are called now, by OID; and which of the former names other relations have. */
async function readNames(
  sql: Sql,
  below: Below[],
): Promise<{ now: Map<number, CalledNow>; taken: Set<string> }> {
  const asked = [...new Map(below.map((each) => [`${each.oid} ${quoteName(each)}`, each])).values()]
  const rows = await sql<(CalledNow & { oid: number; isTaken: boolean; was: QualifiedName })[]>`
    with asked as (
      select (x ->> 'oid')::oid as oid, x ->> 'schema' as schema, x ->> 'name' as name
        from jsonb_array_elements(${sql.json(asked as never)}) x)
    select c.oid::int8 as oid, n.nspname as schema, c.relname as name, c.relowner::regrole::text as owner,
           jsonb_build_object('schema', a.schema, 'name', a.name) as was,
           exists (select from pg_class k join pg_namespace m on m.oid = k.relnamespace
                    where m.nspname = a.schema and k.relname = a.name and k.oid <> c.oid) as "isTaken",
           (select coalesce(jsonb_agg(jsonb_build_object('number', t.attnum, 'name', t.attname,
                     'table', jsonb_build_object('schema', origin.schema, 'name', origin.name), 'owner', origin.owner) order by t.attnum), '[]')
              from pg_attribute t cross join lateral (
                with recursive up(oid) as (
                  select t.attrelid union select i.inhparent from up join pg_inherits i on i.inhrelid = up.oid)
                select s.nspname as schema, r.relname as name, r.relowner::regrole::text as owner
                  from up join pg_class r on r.oid = up.oid join pg_namespace s on s.oid = r.relnamespace
                  join pg_attribute o on o.attrelid = r.oid and o.attname = t.attname and o.attinhcount = 0
                 order by r.oid limit 1) origin
             where t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped) as columns
      from asked a join pg_class c on c.oid = a.oid join pg_namespace n on n.oid = c.relnamespace`
  return {
    now: new Map(rows.map((row) => [row.oid, row])),
    taken: new Set(rows.flatMap(({ isTaken, was }) => (isTaken ? [quoteName(was)] : []))),
  }
}
