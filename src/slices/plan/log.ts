import type { Joined, Mark } from '../../record/plan/slice-marks.ts'
import { literal, logName, logSchema, ofLog, quoteIdentifier, quoteName } from '../../sql/names.ts'
import { displayPart, type QualifiedName } from '../../words/names.ts'
import { mostRows } from './forget.ts'

/** The most bytes of `logName`, so that the names of its triggers, which append a table's number and an event, fit into 63 bytes. */
export const longestLogged = 51
export const tooLongForLog = `with its schema and a dot at most ${longestLogged} bytes, because triggers are called after both`

/** The log of the changes of what a view reads: which of its slices they touch. Each table that it reads has its part. */
export interface ChangeLog {
  view: QualifiedName
  /** The column of the view whose values are its slices. */
  by: string
  /** What has its query, by OID: the plain view of an incremental table. */
  query: number
  /** The other columns of the view of which a difference is a mistake; null: not even the number of rows tells one. See `exactColumns`. */
  exact: string[] | null
  tables: LoggedTable[]
}

interface LoggedTable {
  /** As SQL writes it. */
  name: string
  /** Itself, what inherits from it, and what these inherit from: a statement fires the triggers of the relation that it names, and of no other. */
  relations: { id: number; name: string }[]
  /**
   * Its column that says which slice a row touches; null: a row touches all. `declared`: the type that it has; `type`: the one that the log has, with
   * a collation, which takes each value of it; `plain`: without that. `computed`: what a slice is of its value, as SQL of `%s`.
   */
  key: { column: string; declared: string; type: string; plain: string; computed?: string | undefined } | null
  /** If it says no slice, but what rows are joined by: of which ones. */
  joined: Joined | null
}

/** A log of one table: a row for each key that a statement has touched, or one for all of them. `at`: the transaction that wrote it. */
export interface TableLog {
  table: LoggedTable
  /** Of its table and of its triggers' function. */
  name: string
  /** Its table, and the function that takes from it what a refresh has read, as SQL writes them. */
  log: string
  forget: string
  columns: string[]
  functions: { name: string; body: string; arguments: string; set: string }[]
}

/** The events that a log hears of, with the rows that their triggers see: `tgtype` of pg_trigger, without the level. */
const events = {
  insert: { rows: ['new'], type: 4 },
  update: { rows: ['old', 'new'], type: 16 },
  delete: { rows: ['old'], type: 8 },
  truncate: { rows: [], type: 32 },
} as const

export const logsOf = ({ view, by, tables }: ChangeLog): TableLog[] =>
  tables.map((table, at) => {
    const name = `${logName(view)}_${at}`
    const log = logOfPart(view, at)
    const forget = `${name}_forget`
    return {
      table,
      name,
      log,
      forget: quoteName({ schema: logSchema, name: forget }),
      columns: columnsOf(by, table),
      functions: [
        // From 18 on, the zone of the session may give names to zones.
        {
          name,
          body: noting(log, by, table),
          arguments: '',
          set: table.key?.computed ? 'TimeZone=UTC' : ordinary,
        },
        { name: forget, body: forgetting(log), arguments: 'pg_snapshot', set: ordinary },
      ],
    }
  })

/** What becomes a text and a value again is the same. */
const ordinary = 'DateStyle=ISO, YMD'

/** The table of a part of a log, as SQL writes it. */
export const logOfPart = (view: QualifiedName, part: number): string =>
  quoteName({ schema: logSchema, name: `${logName(view)}_${part}` })

/** A log that has its key first is one of slices. */
function columnsOf(by: string, { key, joined }: LoggedTable): string[] {
  const own = ['"whole" boolean not null default false', '"at" xid8 not null default pg_current_xact_id()']
  if (key === null) return own
  return joined
    ? [...own, `${quoteIdentifier(key.column)} ${key.type}`]
    : [`${quoteIdentifier(by)} ${key.type}`, ...own]
}

/** The triggers of a log on each relation. */
export const triggersOf = ({ name, table }: TableLog) =>
  table.relations.flatMap(({ id, name: relation }) =>
    Object.entries(events).map(([event, { rows, type }]) => ({
      name: `${name}_${event}`,
      event,
      rows,
      type,
      relation,
      id,
    })),
  )

/**
 * What a statement notes. The name of the key stands where another column of that name is found if the relation has none, and its value becomes a text
 * if it has the type that it had: else all slices are noted, and no writer fails. So it is for a relation on which the owner of the log may not put any
 * trigger, whose types might execute code as him. A log that is gone, that belongs to somebody else (what has its name may have triggers of his), or that may not be
 * written, is not, which the world of the view tells.
 */
function noting(log: string, by: string, { key, joined }: LoggedTable): string {
  // The server quotes a statement that fails: whoever cannot write because the log was altered, or the disk is full, reads what to type.
  const remedy = `drop function ${log}() cascade`.replace(/\*(?=\/)|\/(?=\*)/g, '$& ')
  const into = `insert /* without this log: ${remedy} */ into ${log}`
  const all = `${into} (whole) values (true);`
  const body = (branches: string) => `
${key === null ? '' : `-- ${keyOf(key)}\n`}#variable_conflict use_column
begin
  if not exists (
      select from pg_class where oid = case when has_schema_privilege(to_regnamespace('${logSchema}'), 'usage') then to_regclass(${literal(log)}) end
         and relowner = to_regrole(quote_ident(current_user)) and has_table_privilege(oid, 'insert')) then
    null;
  ${branches}
  end if;
  return null;
end
`
  if (key === null)
    return body(`elsif tg_op = 'INSERT' then
    ${into} (whole) select true where exists (select from new_rows);
  elsif tg_op <> 'TRUNCATE' then
    ${into} (whole) select true where exists (select from old_rows);
  else
    ${all}`)
  const column = quoteIdentifier(key.column)
  const name = joined ? key.column : by
  const noted = quoteIdentifier(name)
  const { computed = '%s', declared, plain } = key
  // Nothing is joined by a null. More rows than a refresh reads mean all.
  const [unjoined, most] = [joined ? ' where n.k is not null' : '', `limit ${mostRows + 1}`]
  /** What is noted of the keys of all rows of a statement. */
  const ofEvent = (note: (keys: string) => string) => {
    const of = (...rows: string[]) =>
      note(rows.map((each) => `select ${column} as k from ${each}_rows`).join(' union all '))
    return `if tg_op = 'INSERT' then
    ${of('new')}
  elsif tg_op = 'DELETE' then
    ${of('old')}
  else
    ${of('old', 'new')}
  end if;`
  }
  const instead = `(select null::${declared === 'boolean' ? 'integer' : 'boolean'} as ${column}) f`
  // A variable of somebody's type would fail writers once he renames it, before anything is caught, or execute the CHECK of a domain that he gives its name.
  // A cast of it may be his own, too: only the functions of the type are called.
  const isNamed = plain.includes('.')
  /** Whether keys have another type, beside `instead`; null: there are none. A name may be that of another type by now, whose values are none of the log's. */
  const isOdd = (keys: string) =>
    `(select ${isNamed ? `pg_typeof(r.k) <> pg_typeof((null::${log}).${noted})` : `pg_typeof(r.k)::text <> ${literal(declared)}`} from (${keys}) r limit 1)`
  const held = declared.includes('.')
    ? `case when n.k is not null then concat(n.k)${isNamed ? '' : `::${plain}`} end`
    : computed.replace('%s', 'n.k')
  const value = isNamed
    ? `(jsonb_populate_record(null::${log}, jsonb_build_object(${literal(name)}, n.k))).${noted}`
    : 'n.k'
  // In an own block: what cannot be computed, or is no value of the log's, means all slices. What has another type is not computed: a cast may be somebody's code.
  return body(`elsif tg_op = 'TRUNCATE' or not has_table_privilege(tg_relid, 'trigger with grant option') then
    ${all}
  else
    declare keys ${isNamed ? 'text' : plain}[];
  begin
    begin
      ${ofEvent(
        (keys) => `case (select ${isOdd(keys)} from ${instead})
      when false then
        keys := array(select distinct ${held} from (${keys}) n${unjoined} ${most});
      when true then
        null;
      else
        keys := '{}';
      end case;`,
      )}
    exception when others then null;
    end;
    if keys is null then
      ${all}
    else
      ${into} (${noted}) select ${value} from unnest(keys) n(k);
    end if;
  end;`)
}

/** A key, for people: its function begins with it, so that what has become of it can be said. */
export const keyOf = ({ column, declared }: NonNullable<LoggedTable['key']>): string =>
  `${displayPart(column)} ${declared}`.replace(/\s+/g, ' ')

/**
 * Takes from a log what a snapshot sees, and what no transaction of this cluster can have written, as after a restore; or, for null, makes one row for all slices of
 * what is there, if that is long. Only this deletes from a log: a right to delete would be one to lock it against writers.
 */
const forgetting = (log: string): string => `
begin
  if $1 is null then
    if (select count(*) from (select from ${log} limit ${mostRows + 1}) few) <= ${mostRows} then
      return;
    end if;
    insert into ${log} (whole) values (true);
  end if;
  delete from ${log} where case when $1 is null then at <> pg_current_xact_id() else pg_visible_in_snapshot(at, $1) or at >= pg_snapshot_xmax(pg_current_snapshot()) end;
end
`

/** How a refresh finds the slices of joined rows, by the tables of the log that say what these are joined by. */
export const joinsOf = (log: ChangeLog): NonNullable<Mark['joins']> =>
  logsOf(log).flatMap(({ log, table: { joined } }) => (joined ? { log, ...joined } : []))

/** The options of a function of a log. */
const optionsOf = (set: string): string =>
  `language plpgsql security definer set search_path = pg_catalog, pg_temp set ${set.replace('=', " = '")}'`

/**
 * The statements that make a log. Each part belongs to the owner of its table, who may put any trigger on it anyway; the owner of the view may read it,
 * and take from it what was read. Rights that default privileges give are revoked. Triggers write in the writer's transaction; they only append, so no writer waits
 * for another; and they fire in every session, replication included.
 */
export const makeLog = (log: ChangeLog): string[] => {
  const logs = logsOf(log)
  return [...logs.map((each) => makeTableLog(log.view, each)), putTriggers(logs)]
}

const makeTableLog = (view: QualifiedName, { table, log, forget, columns, functions }: TableLog): string => {
  const noted = `${log}()`
  return block(
    'keeper pg_catalog.name; writer pg_catalog.name; reader pg_catalog.name; granted pg_catalog.record;',
    `
  keeper := coalesce((select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'viewkeeper'), session_user);
  select pg_get_userbyid(relowner) into strict writer from pg_class where oid = ${oidOf(table.name)};
  select pg_get_userbyid(relowner) into strict reader from pg_class where oid = ${oidOf(quoteName(view))};
  perform set_config('role', keeper, true);
  if to_regnamespace('${logSchema}') is null then
    create schema ${logSchema};
    grant usage on schema ${logSchema} to public;
  elsif (select pg_get_userbyid(nspowner) <> keeper from pg_namespace where nspname = '${logSchema}') then
    raise 'schema ${logSchema} does not belong to %, which the SQL of npx viewkeeper doctor mends', keeper;
  end if;
  if writer <> keeper then
    execute format('grant create on schema ${logSchema} to %I', writer);
  end if;
  perform set_config('role', writer, true);
  drop table if exists ${log};
  create table ${log} (${columns.join(', ')}) using heap;
  alter table ${log} replica identity full;
  create or replace function ${noted} returns trigger ${optionsOf(functions[0]!.set)} as ${literal(functions[0]!.body)};
  create or replace function ${forget}(pg_snapshot) returns void ${optionsOf(functions[1]!.set)} as ${literal(functions[1]!.body)};
  for granted in
    select case when f.oid is null then format('table %s', c.oid::regclass) else format('function %s', f.oid::regprocedure) end as what,
           case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as role
      from pg_class c
     cross join lateral (values (null::oid), (${literal(noted)}::regprocedure), (${literal(`${forget}(pg_snapshot)`)}::regprocedure)) f(oid)
     cross join lateral aclexplode(case when f.oid is null then c.relacl else coalesce((select p.proacl from pg_proc p where p.oid = f.oid), acldefault('f', c.relowner)) end) a
     where c.oid = ${oidOf(log)}
  loop
    execute format('revoke all on %s from %s', granted.what, granted.role);
  end loop;
  execute format('grant all on table ${inFormat(log)} to %I; grant all on function ${inFormat(noted)}, ${inFormat(forget)}(pg_snapshot) to %I', writer, writer);
  if reader <> writer then
    execute format('grant select on table ${inFormat(log)} to %I; grant execute on function ${inFormat(forget)}(pg_snapshot) to %I', reader, reader);
  end if;
  if writer <> keeper then
    perform set_config('role', keeper, true);
    execute format('revoke create on schema ${logSchema} from %I', writer);
  end if;`,
  )
}

/** The triggers of all tables, with what inherits from them here and now: in another database they may have other partitions. */
const putTriggers = (logs: TableLog[]): string => {
  const made = logs.map(({ name, log, table }) => {
    const statements = Object.entries(events).flatMap(([event, { rows }]) => {
      const trigger = percents(quoteIdentifier(`${name}_${event}`))
      const seen =
        rows.length === 0
          ? ''
          : ` referencing ${rows.map((each) => `${each} table as ${each}_rows`).join(' ')}`
      return [
        `create or replace trigger ${trigger} after ${event} on %1$s${seen} for each statement execute function ${percents(log)}()`,
        `alter table %1$s enable always trigger ${trigger}`,
      ]
    })
    return `(${oidOf(table.name)}, ${literal(`${log}()`)}, ${literal(statements.join('; '))})`
  })
  const parts = `
    with recursive below(id, calls, makes) as (
      values ${made.join(',\n             ')}
      union select i.inhrelid, b.calls, b.makes from below b join pg_inherits i on i.inhparent = b.id),
    parts(id, calls, makes) as (
      table below union select i.inhparent, p.calls, p.makes from parts p join pg_inherits i on i.inhrelid = p.id)
    select id, calls, makes from parts order by id`
  return block(
    `each pg_catalog.record; ${locking}`,
    `
  tables := array(select id from (${parts}) part);
  ${lockTogether('share row exclusive', "('AccessShareLock', 'RowShareLock')")}
  for each in ${parts} loop
    perform set_config('role', 'none', true), set_config('role', (select pg_get_userbyid(p.proowner) from pg_proc p where p.oid = each.calls::regprocedure), true);
    execute format(each.makes, each.id::regclass);
  end loop;`,
  )
}

/** The statement that drops the log of a view with its triggers, as far as it is there. */
export const dropLog = (view: QualifiedName): string => {
  const ours = (name: string) => `${ofLog(name)} = ${literal(logName(view))}`
  return block(
    `each pg_catalog.record; ${locking}`,
    `
  tables := array(
    select t.tgrelid from pg_trigger t join pg_proc p on p.oid = t.tgfoid where p.pronamespace = to_regnamespace('${logSchema}') and ${ours('p.proname')}
    union select c.oid from pg_class c where c.relnamespace = to_regnamespace('${logSchema}') and c.relkind = 'r' and ${ours('c.relname')});
  ${lockTogether('access exclusive', "('')")}
  for each in
    select pg_get_userbyid(p.proowner) as owner, format('function %s cascade', p.oid::regprocedure) as what from pg_proc p
     where p.pronamespace = to_regnamespace('${logSchema}') and ${ours('p.proname')}
    union all
    select pg_get_userbyid(c.relowner), format('table %s', c.oid::regclass) from pg_class c
     where c.relnamespace = to_regnamespace('${logSchema}') and c.relkind = 'r' and ${ours('c.relname')}
  loop
    perform set_config('role', 'none', true), set_config('role', each.owner, true);
    execute format('drop %s', each.what);
  end loop;`,
  )
}

const locking =
  'tables pg_catalog.oid[]; part pg_catalog.record; began pg_catalog.timestamptz; until pg_catalog.timestamptz; before pg_catalog.text;'

/**
 * Locks all tables within 100 ms or none of them, and tries again, so that nobody waits for longer; a vacuum that the server has begun itself gives way to the
 * first lock. `harmless`: the modes that are in nobody's way.
 */
const lockTogether = (mode: string, harmless: string): string => `before := current_setting('lock_timeout');
  until := clock_timestamp() + interval '10 s';
  loop
    begin
      perform set_config('lock_timeout', '3s', true);
      for part in select m.mode, c.oid::regclass as relation, pg_get_userbyid(c.relowner) as owner
                    from pg_class c, (values (1, 'share update exclusive'), (2, '${mode}')) m(nr, mode) where c.oid = any (tables) order by m.nr, c.oid loop
        if part.mode = '${mode}' then
          began := coalesce(began, clock_timestamp());
          perform set_config('lock_timeout', greatest(1, 100 - extract(epoch from clock_timestamp() - began) * 1000)::integer::text, true);
        end if;
        perform set_config('role', 'none', true), set_config('role', part.owner, true);
        execute format('lock table only %s in %s mode', part.relation, part.mode);
      end loop;
      exit;
    exception when lock_not_available or deadlock_detected then
      began := null;
      if clock_timestamp() > until then
        raise lock_not_available using message = 'the change log was not changed, because its tables were locked by ' || coalesce((
            select string_agg(distinct case when l.pid is null then 'a prepared transaction (see pg_prepared_xacts)'
                     else format('process %s (role %s, application %s, %s)', l.pid, a.usename, quote_ident(a.application_name), a.state) end || format(', %s', l.relation::regclass), '; ')
              from pg_locks l left join pg_stat_activity a on a.pid = l.pid
             where l.granted and l.relation = any (tables) and l.mode not in ${harmless} and l.pid is distinct from pg_backend_pid()
               and l.database = (select d.oid from pg_database d where d.datname = current_database())), 'somebody'),
          hint = 'Try again when that is done, or end it: select pg_terminate_backend(<process>);';
      end if;
    end;
    perform pg_sleep(0.1 + random() * 0.1);
  end loop;
  perform set_config('lock_timeout', before, true);`

/** A block that nothing on the path of the login is found by, as the login. */
export const block = (variables: string, body: string): string => {
  const text = `
declare
  path pg_catalog.text := pg_catalog.current_setting('search_path'); ${variables}
begin
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('role', 'none', true);${body}
  perform set_config('role', 'none', true), set_config('search_path', path, true);
end
`
  return `do ${text.includes('$log$') ? literal(text) : `$log$${text}$log$`}`
}

export const oidOf = (name: string): string => `${literal(name)}::regclass::oid`

/** In a text for `format`. */
const inFormat = (sql: string): string => percents(sql).replaceAll("'", "''")

/** As a text for `format`. */
const percents = (sql: string): string => sql.replaceAll('%', '%%')
