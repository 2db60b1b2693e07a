import { setTimeout as pause } from 'node:timers/promises'
import { closureOf, findLocked, lockedProblem } from '../../catalog/db/locked.ts'
import { readSnapshot } from '../../catalog/db/read-live-view.ts'
import {
  type OutlinedReader,
  parentsFirst,
  type Reader,
  type ViewFacts,
} from '../../catalog/plan/live-view.ts'
import { hashesOf, liveViewQuery } from '../../catalog/plan/live-view-query.ts'
import { readableView } from '../../catalog/plan/server-sql.ts'
import { alreadyRunning, findRunningRun, type Patience, pauseMs } from '../../record/definitions/look.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { lookAgain, unlessLocked } from '../../server/transactions.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { type Member, type OutlinedScope, type Scope, together } from '../plan/scope.ts'

/**
 * Reads every view, plain or materialized, that reads one of the relations, directly or through other views; those of the
 * relations that are views themselves come along. Parents come before children. Temporary views are left out. One statement
 * reads all, so all is of one moment. `locked`: somebody holds an exclusive lock on one of them. `gone`: one was
 * exchanged or dropped meanwhile; look again.
 */
export async function readReaders(sql: Sql, relations: number[]): Promise<Reader[] | 'locked' | 'gone'> {
  try {
    const readers = await unlessLocked(sql, (sql) => sql.unsafe<Reader[]>(readersQuery(relations)))
    // OIDs alone do not tell: "create or replace view" may have made an older view read a newer one.
    if (readers === null) return 'locked'
    return parentsFirst(readers.map((reader) => ({ ...reader, live: readableView(reader.live) })))
  } catch (error) {
    // XX000: a statement sees the catalog as of its beginning, but deparses definitions as they are now.
    if (sqlstateOf(error) === 'XX000') return 'gone'
    throw error
  }
}

/** The same readers, as far as the catalog's columns tell, without waiting for any lock. */
async function outlineReaders(sql: Sql, relations: number[]): Promise<OutlinedReader[]> {
  return parentsFirst(await sql.unsafe<OutlinedReader[]>(outlineQuery(relations)))
}

/** The names of the views among them, without waiting for any lock. */
const readReaderNames = (sql: Sql, relations: number[]): Promise<QualifiedName[]> =>
  sql.unsafe<QualifiedName[]>(`${closureOf(relations)}
select n.nspname as schema, c.relname as name
  from pg_class c join closure using (oid) join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('m', 'v')`)

/** `columns` of the readers, and `more` that they are joined with. */
const membersQuery = (relations: number[], columns: string, more: string): string => `
${closureOf(relations)},
reads as materialized (
  select distinct w.ev_class as reader, d.oid
    from closure x join pg_rewrite w on w.ev_class = x.oid and w.rulename = '_RETURN'
   cross join lateral (
     select case when n.refclassid = 'pg_class'::regclass then n.refobjid else (
              select coalesce(nullif(t.typrelid, 0), (select e.typrelid from pg_type e where e.oid = t.typelem)) from pg_type t where t.oid = n.refobjid) end as oid
       from pg_depend n
      where n.classid = 'pg_rewrite'::regclass and n.objid = w.oid and n.refclassid in ('pg_class'::regclass, 'pg_type'::regclass) offset 0) d
   where d.oid <> w.ev_class)
select member.oid::int8 as oid, ${columns}, member.relispopulated as populated,
       (current_setting('block_size')::int8 * (select coalesce(sum(r.relpages), 0) from pg_class r
          where r.oid = any (array[member.oid, member.reltoastrelid] || array(select indexrelid from pg_index where indrelid = member.oid))))::int8 as "sizeBytes",
       (select coalesce(jsonb_agg(r.oid::int8 order by r.oid), '[]') from reads r join closure y on y.oid = r.oid
         where r.reader = member.oid) as reads
  from pg_class member join closure using (oid) ${more}
 where member.relkind in ('m', 'v')
 order by member.oid`

const readersQuery = (relations: number[]): string =>
  membersQuery(
    relations,
    `doc.live, ${hashesOf('doc.live')}`,
    `cross join lateral (${liveViewQuery('member.oid')}) as doc(live)`,
  )

const outlineQuery = (relations: number[]): string =>
  membersQuery(
    relations,
    `jsonb_build_object('view', jsonb_build_object(
       'kind', case member.relkind when 'm' then 'materialized view' else 'view' end, 'schema', n.nspname, 'name', member.relname)) as live`,
    'join pg_namespace n on n.oid = member.relnamespace',
  )

/**
 * Looks at a view with everything that reads it. If somebody holds an exclusive lock on a reader, looks again as patiently
 * as asked; then throws AlreadyRunning, which names a running run of a reader, or LockTimeout. `gone`: the view itself was
 * exchanged or dropped meanwhile.
 */
export async function lookAtGroup(
  sql: Sql,
  view: ViewFacts,
  { until = 0 }: Patience,
): Promise<Scope | 'gone'> {
  for (;;) {
    const group = await lookAgain(() => readGroup(sql, [view.oid]))
    if (group !== 'locked') return group.members.some(({ oid }) => oid === view.oid) ? group : 'gone'
    for (const reader of await readReaderNames(sql, [view.oid])) {
      const running = await findRunningRun(sql, reader)
      if (running !== undefined) throw alreadyRunning(displayName(reader), running)
    }
    if (Date.now() >= until)
      throw await lockedProblem(sql, [view.oid], ` Or refresh ${view.view} with strategy "concurrent".`)
    await pause(pauseMs)
  }
}

/** Reads views with everything that reads them, as one group. See `readReaders` for `locked` and `gone`. */
export async function readGroup(sql: Sql, oids: number[]): Promise<Scope | 'locked' | 'gone'> {
  const readers = await readReaders(sql, oids)
  return typeof readers === 'string' ? readers : together(readers)
}

/** Views with everything that reads them, as one group, of which somebody's locks may keep some from being read. */
export interface GroupSeen {
  all: OutlinedScope
  /** Why a view could not be read, by its OID: names the view and who holds a lock on it. */
  locked: Map<number, string>
  /** Those of these members that were read. */
  read(members: OutlinedReader[]): Member[]
}

/**
 * Looks at the views of a group: at all of them at once, and if that meets a lock, at one after the other, so that a lock
 * on one view hides no other one. Then the views are of different moments. `gone`: see `readReaders`.
 */
export async function lookAtEach(sql: Sql, oids: number[]): Promise<GroupSeen | 'gone'> {
  const all = await readReaders(sql, oids)
  if (all === 'gone') return all
  if (all !== 'locked') return seenOf(all, all, new Map())
  const outlined = await outlineReaders(sql, oids)
  const locked = new Map((await findLocked(sql, oids)).map(({ oid, because }) => [oid, because]))
  const read: Reader[] = []
  for (const reader of outlined) {
    const { oid } = reader
    if (locked.has(oid)) continue
    const snapshot = await readSnapshot(sql, oid)
    if (snapshot === 'gone') return snapshot
    if (snapshot === 'locked') locked.set(oid, await becauseLocked(sql, reader))
    else read.push({ ...reader, ...snapshot })
  }
  return seenOf(outlined, read, locked)
}

function seenOf(all: OutlinedReader[], read: Reader[], locked: Map<number, string>): GroupSeen {
  const byOid = new Map(read.map((reader) => [reader.oid, reader]))
  return {
    all: together(all),
    locked,
    read: (members) => members.flatMap(({ oid }) => byOid.get(oid) ?? []),
  }
}

/** The lock may be gone by now. */
async function becauseLocked(sql: Sql, { oid, live }: OutlinedReader): Promise<string> {
  const found = (await findLocked(sql, [oid])).find((each) => each.oid === oid)
  return found?.because ?? `${displayName(live.view)} was locked at each look`
}
