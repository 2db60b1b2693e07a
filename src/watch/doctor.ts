import { findLocked } from '../catalog/db/locked.ts'
import { readSnapshot } from '../catalog/db/read-live-view.ts'
import { readWriters, type Writers } from '../catalog/db/writers.ts'
import { obstaclesIn, type ViewRights } from '../catalog/plan/abilities.ts'
import { administrators, intruders, trustOf } from '../catalog/plan/intruders.ts'
import { type Fix, fixesOf, impossible, type Obstacle, type Requirement } from '../catalog/plan/rights.ts'
import { readGroup, readReaders } from '../rebuild/db/group.ts'
import { isReadByViews, requirementsOf, swapRequirements } from '../rebuild/plan/requirements.ts'
import { together } from '../rebuild/plan/scope.ts'
import { readRestored } from '../record/definitions/discovered.ts'
import { unknownView } from '../record/definitions/look.ts'
import type { Silence } from '../record/plan/watch.ts'
import { readSilence } from '../record/watch/looks.ts'
import { resolveNames } from '../run/name.ts'
import type { Database, Sql } from '../server/database.ts'
import { mayUse } from '../server/own-rights.ts'
import { copyLine, readCopy, readStandbys, type Standbys } from '../server/standbys.ts'
import { lookAgain } from '../server/transactions.ts'
import type { LoggableView } from '../slices/slices.ts'
import { literal } from '../sql/names.ts'
import { reached } from '../sql/walks.ts'
import type { CommandTarget } from '../words/commands.ts'
import { moment } from '../words/phrases.ts'
import { Problem } from '../words/problem.ts'
import {
  listExamined,
  readAllUncounted,
  readUntried,
  readViewRights,
  type ViewToExamine,
} from './db/examined.ts'
import { allUncountedWords } from './diagnosis/cause.ts'
import { silenceOf, uncountedLines } from './plan/silence.ts'

/** What a role may do with the views of a database, and the SQL that gives what is missing. */
export interface Findings {
  /** The role, as SQL writes it. */
  role: string
  /** Who else has a hand in schema `viewkeeper` and its roles. An older version says nothing of it. */
  schema?: Obstacle[]
  administrators?: { role: string; by: string[]; members: string[] }[]
  views: ViewRights[]
  /** One sentence, if the server is newer than any tried: said by the doctor, and by nobody else. */
  untried?: string
  /** One sentence, if RDS feeds the green server of a blue/green deployment from this database. */
  copy?: string
  /** The standbys of the server, as far as the role sees them. */
  replicas: Standbys
  /** What the login does not see, and the grant that shows it; only said of our own login. */
  unseen?: { text: string; next: string }
  /** That the record is of another database, and what keeps refreshes from being left out although `skipUnchanged` asks for it; only said of our own login. */
  notSkipped?: { text: string; next: string | null }[]
  /** What would be silence; only said of our own login. */
  silence?: Silence
  /** Who may write incremental tables, besides refreshes. An older version says nothing of it. */
  writers?: Writers[]
  /** By which columns the views fall into slices; only if asked. */
  slices?: LoggableView[]
  /** The fixes of all obstacles, each once. */
  missing: Fix[]
}

/** Whose rights to look at, and on which views: by names as in SQL. */
export interface DoctorRequest {
  views: string[] | 'all'
  /** Null: our own login. */
  role: string | null
  /** Whether to prove by which columns the views fall into slices. */
  slices?: boolean | undefined
}

/** Finds what a role may do with views, and what to type on the target. Changes nothing, and needs no right on any view. */
export const doctor = (
  database: Database,
  { views, role, slices }: DoctorRequest,
  typed: CommandTarget = null,
): Promise<Findings> =>
  database.withConnection(
    async (sql) => {
      const wanted = views === 'all' ? null : await resolveNames(sql, views)
      const isWanted = ({ schema, name }: ViewToExamine) =>
        wanted?.some((each) => each.schema === schema && each.name === name) ?? true
      const findings = await examine(sql, role, isWanted, new Map(), typed)
      const found = new Set(findings.views.map(({ schema, name }) => JSON.stringify([schema, name])))
      const unknown = wanted?.find(({ schema, name }) => !found.has(JSON.stringify([schema, name])))
      if (unknown !== undefined) throw await unknownView(sql, unknown)
      const untried = await readUntried(sql)
      const writers = (await readWriters(sql)).filter(
        ({ schema, name }) => wanted?.some((each) => each.schema === schema && each.name === name) ?? true,
      )
      const said = {
        ...findings,
        ...(writers.length > 0 && { writers }),
        ...(untried === null ? {} : { untried }),
        // What proves slices is loaded only if somebody asks: migrations and `create-role` examine rights, too.
        ...(slices && {
          slices: await (await import('../slices/slices.ts')).readLoggableViews(
            sql,
            (await listExamined(sql)).filter(isWanted),
          ),
        }),
      }
      if (role !== null) return said
      const uncounted = await readAllUncounted(sql, new Set(findings.views.map(({ view }) => view)))
      const noted = (await mayUse(sql, 'select', 'switches')) ? await readSilence(sql) : undefined
      const silence = noted && silenceOf(noted, typed)
      silence?.lines.push(...uncountedLines(noted?.heard ?? null))
      return {
        ...said,
        ...(silence && { silence }),
        ...(await readUnseen(sql)),
        notSkipped: [
          ...(await readRestored(sql)),
          ...allUncountedWords(uncounted, (at) => moment(at, new Date())),
        ],
      }
    },
    { startUp: { application_name: 'viewkeeper doctor' }, deadline: Date.now() + 600_000 },
  )

/** What the login does not see, and what shows it to each login of Viewkeeper, or to this one where there is no role of that name. */
async function readUnseen(sql: Sql): Promise<Pick<Findings, 'unseen'>> {
  const [row] = await sql<{ next: string }[]>`
    select format('grant pg_read_all_stats to %s;', coalesce(to_regrole('viewkeeper'), current_user::regrole)) as next
     where not pg_has_role('pg_read_all_stats', 'usage')`
  if (row === undefined) return {}
  const text =
    'This login does not see since when a session holds a lock in the way of a refresh, nor what it executes.'
  return { unseen: { text, ...row } }
}

/** The same on an open connection, for the views that are wanted. `seen`: what the swaps need, if that was read a moment ago. */
export async function examine(
  sql: Sql,
  role: string | null,
  isWanted: (view: ViewToExamine) => boolean = () => true,
  seen: Swaps = new Map(),
  typed: CommandTarget = null,
): Promise<Findings> {
  const [asking] = await sql.unsafe<
    ({ name: string; written: string } & Required<Pick<Findings, 'schema' | 'administrators'>>)[]
  >(`
    select rolname as name, oid::regrole::text as written, ${intruders(trustOf(role), { logs: true })} as schema,
           (select coalesce(jsonb_agg(k), '[]') from (${administrators}) k) as administrators
      from pg_roles where rolname = ${role === null ? 'current_user' : literal(role)}`)
  if (asking === undefined) {
    throw new Problem('InvalidRequest', `This server has no role ${JSON.stringify(role)}.`, { field: 'role' })
  }
  const views: ViewRights[] = []
  const wanted = (await listExamined(sql)).filter(isWanted)
  for (let at = 0; at < wanted.length; at += atOnce)
    views.push(
      ...(await readViewRights(sql, await withSwaps(sql, wanted.slice(at, at + atOnce), seen), asking.name)),
    )
  const { schema } = asking
  const missing = fixesOf([...schema, ...obstaclesIn(views)])
  const copy = await readCopy(sql)
  return {
    role: asking.written,
    schema,
    administrators: asking.administrators,
    views,
    ...(copy === null ? {} : { copy: copyLine(copy, typed) }),
    replicas: await readStandbys(sql),
    missing,
  }
}

/** So many views are looked at in one statement, which is planned once. */
const atOnce = 100

/** What the swaps of views need, by OID. */
export type Swaps = Map<number, Requirement[]>

/**
 * Views with what their swaps need, which `seen` keeps: all at once, and one by one if a lock or an exchange keeps that from
 * succeeding. Those that are gone are left out.
 */
async function withSwaps(
  sql: Sql,
  views: ViewToExamine[],
  seen: Swaps,
): Promise<(ViewToExamine & { swap: Requirement[] })[]> {
  for (const { oid, query } of views) if (query !== null) seen.set(oid, [])
  const unseen = views.flatMap(({ oid }) => (seen.has(oid) ? [] : oid))
  const read = unseen.length === 0 ? [] : await readReaders(sql, unseen)
  const readers = typeof read === 'string' ? [] : read
  const neededBy = new Map<number, number[]>()
  for (const { oid, reads } of readers)
    for (const read of reads) neededBy.set(read, [...(neededBy.get(read) ?? []), oid])
  for (const { oid, live } of readers) {
    const group = reached([oid], (each) => neededBy.get(each) ?? [])
    const swap = isReadByViews(live)
      ? requirementsOf(together(readers.filter((reader) => group.has(reader.oid))))
      : swapRequirements(live)
    seen.set(oid, swap)
  }
  const found: (ViewToExamine & { swap: Requirement[] })[] = []
  for (const view of views) {
    const swap = seen.get(view.oid)
    found.push(...(swap === undefined ? await examineView(sql, view) : [{ ...view, swap }]))
  }
  return found
}

/** None if the view is gone. A view that was exchanged meanwhile is looked at again. */
function examineView(sql: Sql, first: ViewToExamine): Promise<(ViewToExamine & { swap: Requirement[] })[]> {
  let view: ViewToExamine | undefined = first
  return lookAgain(async () => {
    if (view === undefined) return []
    const swap = await readSwapRequirements(sql, view)
    if (swap !== 'gone') return [{ ...view, swap }]
    view = (await listExamined(sql)).find((each) => each.view === first.view)
    return 'gone'
  })
}

async function readSwapRequirements(sql: Sql, { oid }: ViewToExamine): Promise<Requirement[] | 'gone'> {
  const snapshot = await readSnapshot(sql, oid)
  if (snapshot === 'gone') return snapshot
  if (snapshot === 'locked') return locked(sql, oid)
  if (!isReadByViews(snapshot.live)) return swapRequirements(snapshot.live)
  const group = await readGroup(sql, [oid])
  if (typeof group === 'string') return group === 'gone' ? group : locked(sql, oid)
  return requirementsOf(group)
}

const locked = async (sql: Sql, oid: number): Promise<Requirement[]> => {
  const [first] = await findLocked(sql, [oid])
  return [impossible(`${first?.because ?? 'a lock kept it from being read'}: ask again`)]
}
