import { setTimeout as pause } from 'node:timers/promises'
import { shadowKey } from '../../catalog/db/catalog.ts'
import { lockedProblem } from '../../catalog/db/locked.ts'
import type { Definition } from '../../catalog/plan/definition.ts'
import { type LiveView, parentsFirst, type Reader } from '../../catalog/plan/live-view.ts'
import { liveViewQuery } from '../../catalog/plan/live-view-query.ts'
import { readReaders } from '../../rebuild/db/group.ts'
import { executeStatements, StatementRefused } from '../../rebuild/db/statements.ts'
import { makePlace } from '../../rebuild/plan/make.ts'
import { lacks } from '../../rebuild/plan/requirements.ts'
import { alone, apart, type Member, type Rebuild, shadowName } from '../../rebuild/plan/scope.ts'
import { pauseMs } from '../../record/definitions/look.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { lookAgain, undone } from '../../server/transactions.ts'
import { literal, quoteName } from '../../sql/names.ts'
import { describeShadow, tryShadow, tryShadows, withTextOf } from '../../trial/db/read-shadow.ts'
import { displayName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { type LiveChange, wantedView } from '../plan/redefine.ts'
import {
  authoredShadow,
  inPublic,
  insistOnNoCircle,
  type Misfit,
  type Redefined,
  readsAfter,
  shadowAsView,
  withColumnsOf,
} from '../plan/redefined.ts'

/** Views as their changed definitions make them on this server. */
export interface Tried {
  /** Each after those that it reads then. A view that changes because a column of another one changes is wanted so, too. */
  members: Member[]
  /** The new definitions as the server reads them, by OID. */
  shadows: Map<number, LiveView>
  misfits: Misfit[]
}

/**
 * Views with everything that reads them. If somebody holds an exclusive lock on one, looks again until then (epoch milliseconds);
 * then throws LockTimeout, which names the holder.
 */
export async function readAllReaders(sql: Sql, oids: number[], until = 0): Promise<Reader[]> {
  for (;;) {
    const readers = await lookAgain(() => readReaders(sql, oids))
    if (readers !== 'locked') return readers
    if (Date.now() >= until) throw await lockedProblem(sql, oids)
    await pause(pauseMs)
  }
}

/** What is known of a changed view without what reads it: only plain views do, and they keep their queries. */
export async function tryAlone(
  sql: Sql,
  { view, snapshot, before, after, given }: LiveChange,
  shadow: LiveView,
): Promise<Tried> {
  const { oid, populated } = view
  const [member] = alone(oid, snapshot, wantedView(given, { before, after, shadow })).members as [Member]
  const misfits: Misfit[] = []
  for (const { view: reader } of snapshot.live.dependents) {
    const because = reader && (await readLacking(sql, [member], { oid: reader.oid, reads: [oid] }))
    if (because) misfits.push({ reader: { ...reader, kind: 'view' }, because })
  }
  return { members: [{ ...member, populated }], shadows: new Map([[oid, shadow]]), misfits }
}

/**
 * Builds the empty shadows of changed views and of everything that reads them, and undoes that. No view is locked. Throws
 * StatementRefused if the server refuses a changed definition.
 */
export const tryTogether = (sql: Sql, readers: Reader[], changes: LiveChange[]): Promise<Tried> =>
  undone(sql, async (part) => {
    const changed = new Map(changes.map((change) => [change.view.oid, change]))
    const readsOf = (reader: Reader) => readsAfter(reader, readers, changed)
    const members: Member[] = parentsFirst(readers, readsOf)
    insistOnNoCircle(members, readsOf)
    const rebuild = apart(`new_${shadowKey(Number(members[0]?.oid))}`, { members })
    const heirs = changes.map(({ given }) => given.view.owner)
    await executeStatements(part, makePlace(rebuild, heirs), false)
    const shadows = new Map<number, LiveView>()
    const { misfits } = await tryShadows(members, readsOf, (member) => {
      const change = changed.get(member.oid)
      return change === undefined
        ? tryReader(part, rebuild, member)
        : tryChanged(part, rebuild, member, { change, shadows })
    })
    const unfit = misfits.map(({ member, because }) => ({ reader: member.live.view, because }))
    return { members, shadows, misfits: unfit }
  })

interface Changed {
  change: Redefined
  shadows: Map<number, LiveView>
}

async function tryChanged(
  sql: Sql,
  rebuild: Rebuild,
  member: Member,
  { change, shadows }: Changed,
): Promise<null> {
  const { before, after, given } = change
  await insistOnOnlyShadows(sql, rebuild)
  const shadow = await naming(after, rebuild, () => readOnShadows(sql, rebuild, change))
  // What it reads may call its columns differently by then: only the shadow's text knows.
  const described = rebuild.scope.members.some(
    ({ oid, live, wanted }) =>
      member.reads.includes(oid) && wanted !== undefined && namesOf(live) !== namesOf(wanted),
  )
    ? shadow
    : await withTextOf(sql, shadow, given)
  shadows.set(member.oid, described)
  member.wanted = wantedView(given, { before, after, shadow: described })
  await naming(null, rebuild, () => tryShadow(sql, rebuild, member))
  return null
}

const namesOf = ({ columns }: LiveView): string => JSON.stringify(columns.map(({ name }) => name))

/**
 * Refuses (MigrationFailed) anything but shadows in the schemas of the shadows, which are on the path of the next query: the
 * code of another view may have made there, as its owner, what the query would take for its own function or operator.
 */
async function insistOnOnlyShadows(sql: Sql, rebuild: Rebuild): Promise<void> {
  const { members } = rebuild.scope
  const names = members.map((member) => shadowName(rebuild, member))
  const [odd] = await sql<{ object: string }[]>`
    select pg_describe_object(d.classid, d.objid, 0) as object
      from pg_depend d join pg_namespace n on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid
      left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
     where n.nspname in (select * from jsonb_array_elements_text(${sql.json(rebuild.place.schemas)}))
       and not coalesce(${sql.json(names as never)}::jsonb @> jsonb_build_array(jsonb_build_object('schema', n.nspname, 'name', c.relname)), false)`
  if (odd === undefined) return
  throw new Problem(
    'MigrationFailed',
    `The code of a view made ${odd.object} among the shadows of the views, where the next query would find it. ` +
      `Look for that code in the functions that ${members.map(({ live }) => displayName(live.view)).join(', ')} use.`,
  )
}

/** The live view that a definition makes where its query finds shadows. */
async function readOnShadows(sql: Sql, rebuild: Rebuild, change: Redefined): Promise<LiveView> {
  const { definition, onPath } = authoredShadow(rebuild, change)
  const { members } = rebuild.scope
  const schemas = new Map(
    members.map(({ live: { view } }) => [rebuild.place.shadows(view.schema), view.schema]),
  )
  const schemaOf = `case n.nspname ${[...schemas].map(([shadows, schema]) => `when ${literal(shadows)} then ${literal(schema)}`).join(' ')} else n.nspname end`
  const nameOf = `format('%I.%I', ${schemaOf}, c.relname)`
  const shadow = await describeShadow(sql, definition, change.given.view.owner, onPath, nameOf)
  return shadowAsView(rebuild, change, shadow)
}

/** Tries a view that keeps its query. Returns why it does not fit; null if it fits. */
async function tryReader(sql: Sql, rebuild: Rebuild, member: Member): Promise<string | null> {
  const lacking = await readLacking(sql, rebuild.scope.members, member)
  if (lacking !== null) return lacking
  try {
    await tryShadow(sql, rebuild, member)
  } catch (error) {
    // A missing right says nothing about the query.
    if (!(error instanceof StatementRefused) || sqlstateOf(error.cause) === '42501') throw error
    const { carries } = error.statement
    return `does not fit any more${carries === undefined ? '' : `, with its ${carries}`}: ${inPublic(error.message, rebuild)} (${sqlstateOf(error.cause) ?? 'no SQLSTATE'})`
  }
  const [row] = await sql.unsafe<{ live: LiveView }[]>(
    liveViewQuery(`${literal(quoteName(shadowName(rebuild, member)))}::regclass`),
  )
  const wanted = withColumnsOf(member.live, (row as { live: LiveView }).live)
  if (wanted !== null) member.wanted = wanted
  return null
}

/** The columns that a view reads of changed ones and that these will not have, in words; null if there are none. */
async function readLacking(
  sql: Sql,
  members: Member[],
  { oid, reads }: Pick<Member, 'oid' | 'reads'>,
): Promise<string | null> {
  const lacking: string[] = []
  for (const parent of members) {
    const { live, wanted } = parent
    if (wanted === undefined || !reads.includes(parent.oid)) continue
    const left = new Set(wanted.columns.map(({ name }) => name))
    const gone = (await readColumnsUsed(sql, oid, parent.oid)).filter((name) => !left.has(name))
    if (gone.length > 0) lacking.push(lacks(gone, live))
  }
  return lacking.length === 0 ? null : lacking.join(', and ')
}

/** The columns of a relation that the query of a view reads. */
async function readColumnsUsed(sql: Sql, reader: number, relation: number): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select a.attname as name from pg_catalog.pg_attribute a
     where a.attrelid = ${relation} and a.attnum > 0 and a.attnum in (
       select d.refobjsubid from pg_catalog.pg_depend d join pg_catalog.pg_rewrite w on w.oid = d.objid
        where w.ev_class = ${reader} and w.rulename = '_RETURN' and d.classid = 'pg_catalog.pg_rewrite'::regclass
          and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = ${relation})
     order by a.attnum`
  return rows.map(({ name }) => name)
}

/** Does work, and words its refusal for the author: with the names of the views, and the definition at fault. */
async function naming<T>(
  definition: Definition | null,
  rebuild: Rebuild,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StatementRefused) {
      error.message = inPublic(error.message, rebuild)
      error.view = definition
    }
    throw error
  }
}
