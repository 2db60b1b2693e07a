import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { runLocks } from '../../server/lock-keys.ts'
import { backupsQuery } from '../../sql/backups.ts'
import { locksInTheWay, type WantedLock } from '../../sql/holders.ts'
import { literal, type QualifiedName } from '../../sql/names.ts'
import { type Token, tokensIn } from '../../sql/sql-tokens.ts'
import type { HeldLock } from '../diagnosis/cause.ts'

/** The locks in the way of a view's refresh. */
export interface LocksInTheWay {
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
    with recursive ${sql.unsafe(locksInTheWay(oidOf(name), wanted))},
    ${runLocks(sql)},
    own as (
      select r.backend_pid as pid from viewkeeper.runs r join run_locks l on l.id = r.id and l.pid = r.backend_pid
       where r.schema_name = ${name.schema} and r.view_name = ${name.name} and r.status = 'running'),
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
                  when a.usesysid is not null then format('select pg_terminate_backend(%s);', f.pid) end as ends
        from found f
        left join pg_stat_get_activity(f.pid) a on f.pid is not null
        left join pg_catalog.pg_locks x on f.pid is null and x.virtualtransaction = f.holder and x.locktype = 'transactionid'
        left join pg_catalog.pg_prepared_xacts p on p.transaction = x.transactionid
        left join lateral (select min(l.id) as id from run_locks l where l.pid = f.pid and l.id > 0) run on true
       order by since, f.pid limit ${mostLocks})
    select exists (select from own where cardinality(pg_blocking_pids(pid)) > 0) as waits,
           (select coalesce(jsonb_agg(jsonb_build_object(
              'pid', pid, 'role', role, 'application', application, 'state', state,
              'since', to_char(since at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'mode', mode, 'relation', relation,
              'statement', statement, 'end', ends, 'runId', run) order by since, pid), '[]')
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
