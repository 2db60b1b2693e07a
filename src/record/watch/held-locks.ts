import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { backupsQuery } from '../../sql/backups.ts'
import { locksInTheWay, type WantedLock, withItsQuery } from '../../sql/holders.ts'
import { literal } from '../../sql/names.ts'
import { type Token, tokensIn } from '../../sql/sql-tokens.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { BatchFacts, HeldLock, RunFacts } from '../plan/watch.ts'
import { isUnneeded } from '../runs/failing.ts'
import { errorOf, mostOfText } from '../runs/history.ts'
import { isWorkedOn } from '../runs/life.ts'

/**
 * The last runs of these definitions, at most `most` of each: what has not ended first, then what ended last, because a retry may end
 * after a run that was requested later. Plans and answers are left out, and runs that another run was in the way of: they say nothing
 * about the view, and there may be one a minute.
 */
export const readLastRuns = (
  sql: Sql,
  definitionIds: number[],
  most: number,
): Promise<(RunFacts & { definitionId: number })[]> => sql<(RunFacts & { definitionId: number })[]>`
  select r.definition_id as "definitionId", r.id, r.operation, r.status, r.batch_id as "batchId",
         r.requested_at as "requestedAt", r.not_before as "notBefore", r.finished_at as "finishedAt",
         r.meta #>> '{response,strategy}' as strategy, left(r.meta #>> '{response,because}', ${mostOfText}) as because,
         ${sql.unsafe(errorOf('r', ['class', 'message', 'sqlstate', 'detail', 'hint']))} as error,
         exists (
           select from viewkeeper.batches b where b.id = r.batch_id and b.cancel_requested_at is not null) as "batchCanceled",
         r.unneeded
    from jsonb_array_elements_text(${sql.json(definitionIds)}) d(id)
   cross join lateral (
     select r.*, ${sql.unsafe(isUnneeded('r'))} as unneeded from viewkeeper.runs r
      where r.definition_id = d.id::integer and r.error ->> 'class' is distinct from 'AlreadyRunning' order by r.id desc limit ${most}) r
   order by r.finished_at desc nulls first, r.id desc`

/** How far back a batch of a view is searched for. */
const newestBatches = 50

/** The newest batch of a definition. */
interface LastBatch extends Omit<BatchFacts, 'waitsFor'> {
  definitionId: number
}

/**
 * The open batch of each of these definitions, or else the newest, if it is among the newest of all batches. A scheduled
 * batch that was skipped because of a pause has no views on record: it belongs to all views of its schedule.
 */
export const readLastBatches = (sql: Sql, definitionIds: number[]): Promise<LastBatch[]> => sql<LastBatch[]>`
  select distinct on (v.definition_id) v.definition_id as "definitionId", b.id, b.requested_at as "requestedAt",
         b.finished_at as "finishedAt", b.error
    from (select * from viewkeeper.batches order by serial desc limit ${newestBatches}) b
   cross join lateral (
     select definition_id from viewkeeper.batch_views where batch_id = b.id
     union all
     select d.id from viewkeeper.definitions d
      where b.status = 'skipped' and b.error ->> 'class' = 'Paused'
        and (b.selection @> '{"all": true}' and d.in_all
          or b.selection -> 'scheduled' = jsonb_build_object('schedule', d.schedule, 'timeZone', d.time_zone))) v
   where v.definition_id in (select value::integer from jsonb_array_elements_text(${sql.json(definitionIds)}))
   order by v.definition_id, b.finished_at is null desc, b.serial desc`

/** The locks in the way of a view's refresh. */
interface LocksInTheWay {
  /** Whether the server process of the view's running run waits for a lock at this moment. */
  waits: boolean
  /** The oldest transaction first. */
  locks: HeldLock[]
}

const mostLocks = 20

/** Some servers keep a megabyte of each statement. */
const longestStatement = 10_000

/**
 * Reads who holds locks in the way of a view's refresh, and who else its running run waits for, one after the other; backups,
 * too, if the run `exchanges` the view. The session of that run is left out. On a standby nobody is found, because it does not
 * know the locks of the primary. A statement that cannot be told in UTF-8 is null.
 */
export async function readHeldLocks(
  sql: Sql,
  name: QualifiedName,
  wanted: WantedLock,
  exchanges: boolean,
): Promise<LocksInTheWay> {
  try {
    return await read(sql, name, wanted, exchanges, true)
  } catch (error) {
    // 22P05, 22021: a statement of another session has a character without an equivalent in UTF-8.
    if (!['22P05', '22021'].includes(sqlstateOf(error) ?? '')) throw error
    return read(sql, name, wanted, exchanges, false)
  }
}

/** Unlike `to_regclass`, this needs no right on the schema. */
const oidOf = ({ schema, name }: QualifiedName): string => `
  select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname = ${literal(schema)} and c.relname = ${literal(name)}`

async function read(
  sql: Sql,
  name: QualifiedName,
  wanted: WantedLock,
  exchanges: boolean,
  withStatements: boolean,
): Promise<LocksInTheWay> {
  const [row] = await sql<[{ waits: boolean; locks: (HeldLock & { since: string | null })[] }]>`
    with recursive ${sql.unsafe(locksInTheWay(withItsQuery(`(${oidOf(name)})`), wanted))},
    own as (
      select r.backend_pid as pid from viewkeeper.runs r
       where r.schema_name = ${name.schema} and r.view_name = ${name.name} and r.status = 'running' and ${sql.unsafe(isWorkedOn)}),
    waited_for(pid) as (
      select unnest(pg_blocking_pids(pid)) from own
      union
      select unnest(pg_blocking_pids(w.pid)) from waited_for w),
    blocking as (
      select distinct on (l.pid) l.pid, l.virtualtransaction as holder, l.mode,
             case when l.relation is null or l.database <> (select oid from pg_catalog.pg_database where datname = current_database())
                  then format('%s lock', l.locktype) else l.relation::regclass::text end as relation
        from waited_for w join pg_catalog.pg_locks l on l.pid = w.pid
       where exists (
             select from pg_catalog.pg_locks x
              where not x.granted and x.pid in (select pid from own union select pid from waited_for) and x.pid <> l.pid
                and (x.locktype, x.database, x.relation, x.page, x.tuple, x.virtualxid, x.transactionid, x.classid, x.objid, x.objsubid)
                    is not distinct from
                    (l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid))
       order by l.pid, l.granted desc),
    found as (
      select pid, holder, mode, relation::text as relation from locks where not exists (select from own where own.pid = locks.pid)
      union all
      select * from blocking b where not exists (select from locks l where l.pid = b.pid)
      union all
      select b.pid, null, 'the snapshot of a backup', 'the catalog' from (${sql.unsafe(backupsQuery)}) b where ${exchanges}),
    shown as (
      select f.pid, f.mode, f.relation, a.usesysid::regrole::text as role,
             coalesce(nullif(a.application_name, ''), case when a.usesysid is null then a.backend_type end) as application,
             a.state, coalesce(a.xact_start, p.prepared) as since, run.id as run,
             case when a.state is not null and ${withStatements} then left(a.query, ${longestStatement}) end as statement,
             case when run.id is not null then null
                  when p.gid is not null then format('rollback prepared %L;', p.gid)
                  when a.usesysid is not null then format('select pg_terminate_backend(%s);', f.pid) end as ends,
             case when run.id is not null then null
                  when p.gid is not null then format('role %s or a superuser', quote_ident(p.owner))
                  when (select rolsuper from pg_catalog.pg_roles where oid = a.usesysid) then 'a superuser'
                  else format('role %s or a member of pg_signal_backend', a.usesysid::regrole) end as ends_by
        from found f
        left join pg_stat_get_activity(f.pid) a on f.pid is not null
        left join pg_catalog.pg_locks x on f.pid is null and x.virtualtransaction = f.holder and x.locktype = 'transactionid'
        left join pg_catalog.pg_prepared_xacts p on p.transaction = x.transactionid
        left join lateral (
          select min(r.id) as id from viewkeeper.runs r
           where r.status = 'running' and r.backend_pid = f.pid and ${sql.unsafe(isWorkedOn)}) run on true
       order by since, f.pid limit ${mostLocks})
    select exists (select from own where cardinality(pg_blocking_pids(pid)) > 0) as waits,
           (select coalesce(jsonb_agg(jsonb_build_object(
              'pid', pid, 'role', role, 'application', application, 'state', state,
              'since', to_char(since at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'mode', mode, 'relation', relation,
              'statement', statement, 'end', ends, 'endBy', ends_by, 'runId', run) order by since, pid), '[]')
              from shown where not pg_is_in_recovery()) as locks`
  return {
    waits: row.waits,
    locks: row.locks.map(({ runId, since, statement, ...lock }) => ({
      ...lock,
      since: since === null ? null : new Date(since),
      statement: statement === null ? null : withoutConstants(statement),
      ...(runId == null ? {} : { runId }),
    })),
  }
}

/** What stands instead of a constant. */
const leftOut = '...'

const longest = 2000

/** One of several statements. A quoted name may hold a semicolon, and a name that was cut has no second quote. */
const each = /(?:"[^"]*(?:"|$)|[^;"])+/g

/**
 * A statement that gives a value to a setting, which may be a word without quotes, and the setting may be a quoted name.
 * Of `alter` and `create` all is left out from the first value on, also if what follows is no setting.
 */
const setting = /^( ?(?:(?:alter|create) .*?)?\bset\b.*?(?:=|\bto\b)).*/i

/**
 * A statement of somebody else without its constants, on one line: `...` stands instead of each text and number, and
 * instead of what `set` gives to a setting; comments are left out. For a statement that the server has cut in the middle of a
 * quote, and for a quote that depends on a setting of the session, all that follows is left out. Pure.
 */
export function withoutConstants(statement: string): string {
  let said = ''
  for (const token of tokensIn(statement)) {
    said += keptOf(token)
    if (isUnsure(token)) break
  }
  const line = said.replace(/\s+/g, ' ').trim()
  const end = line.length <= longest ? '' : leftOut
  const cut = line.slice(0, longest).toWellFormed()
  return `${cut.replace(each, (one) => one.replace(setting, `$1 ${leftOut}`))}${end}`
}

/** With `standard_conforming_strings = off` a backslash escapes the quote after it, so the text may go on. */
const isUnsure = ({ kind, text }: Token): boolean =>
  kind === 'text' && !/^[Ee$]/.test(text) && text.includes("\\'")

/** A name that was cut may be a text for somebody who confuses the quotes. */
const keptOf = ({ kind, text, closed }: Token): string => {
  if (kind === 'comment') return ' '
  return kind === 'text' || kind === 'number' || !closed ? leftOut : text
}
