import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'
import { literal } from '../../../src/sql/names.ts'
import { makeKept } from '../slices/kept-table.ts'
import { escapeAndForge, type HostileDatabase, login } from './hostile.ts'

// A neighbour who exchanges what is hers between every two statements of somebody else. She stands in three places: before each message
// to the server, between the statements of each PL/pgSQL text of ours, and around each command that changes the catalog.

/** What she exchanges for another one of the same name. */
export const kinds = ['schema', 'table', 'view', 'index', 'type', 'function', 'operator', 'cast'] as const

/** What code of hers does, wherever it is: it tries to become the login. */
const evil = `
  create schema ctl; grant usage on schema ctl to public;
  create function ctl.evil(id integer) returns integer language plpgsql immutable as $$
  begin
    if session_user <> 'mallory' then perform public.keep('ran', current_user); ${escapeAndForge} end if;
    return id;
  end $$`

/** All that is hers, in one schema; what executes her evil code waits as `…_x`, or, if it is `evil`, stands there already. */
const world = (schema: string, main: 'honest' | 'evil'): string => {
  const result = (which: 'honest' | 'evil') => (which === 'honest' ? 'return $1' : 'return ctl.evil($1)')
  const code = (name: string, which: 'honest' | 'evil') => `
    create function ${schema}.${name}(integer) returns integer language plpgsql immutable as 'begin ${result(which)}; end';
    create function ${schema}.${name}_of(${schema}.odd) returns integer language plpgsql immutable as 'begin ${result(which).replace('$1', '($1).x')}; end'`
  const impostors = (of: string) => `
    create view ${schema}.base${of} as select ctl.evil(i) as id, date '2026-01-01' + ctl.evil(i) as day from generate_series(1, 3) i;
    create view ${schema}.kept${of} as select id, day, id as f, id as o, id as c, id as k from ${schema}.base${of}`
  const honest = (of: string) => `
    create table ${schema}.base${of} as select i as id, date '2026-01-01' + i as day from generate_series(1, 3) i;
    create materialized view ${schema}.kept${of} as
      select id, day, ${schema}.f(id) as f, id operator(${schema}.@+@) 1 as o, row(id)::${schema}.odd::integer as c, id::${schema}.kind as k
        from ${schema}.base${of};
    create unique index kept_key${of} on ${schema}.kept${of} (id);
    create index kept_key_x${of} on ${schema}.kept${of} (ctl.evil(id))`
  return `
    create schema ${schema}; grant usage on schema ${schema} to public; create type ${schema}.odd as (x integer);
    ${code('f', main)}; ${code('f_x', 'evil')};
    create domain ${schema}.kind as integer ${main === 'evil' ? 'check (ctl.evil(value) > 0)' : ''};
    create domain ${schema}.kind_x as integer check (ctl.evil(value) > 0);
    create operator ${schema}.@+@ (leftarg = integer, rightarg = integer, function = int4pl);
    create function ${schema}.plus(integer, integer) returns integer language plpgsql immutable as 'begin return ctl.evil($1); end';
    create operator ${schema}.@-@ (leftarg = integer, rightarg = integer, function = ${schema}.plus);
    create schema ${schema}_x; create operator ${schema}_x.@+@ (leftarg = integer, rightarg = integer, function = ${schema}.plus);
    create cast (${schema}.odd as integer) with function ${schema}.f_of(${schema}.odd);
    ${main === 'honest' ? `${honest('')}; ${impostors('_x')}` : `${impostors('')}; ${honest('_x')}`};
    ${makeKept(`${schema}.daily`, `select day, count(*) as n from ${schema}.base group by day`)}; insert into ${schema}.daily table ${schema}.daily_query`
}

const swapped = (what: string, name: string, of = '', kept = 'n.') => [
  `alter ${what} ${kept}${name}${of} rename to away_`,
  `alter ${what} ${kept}${name}_x${of} rename to ${name}`,
  `alter ${what} ${kept}away_${of} rename to ${name}_x`,
]

const exchanges: Record<(typeof kinds)[number], string[]> = {
  schema: [
    'alter schema n rename to away_',
    'alter schema n2 rename to n',
    'alter schema away_ rename to n2',
  ],
  table: swapped('table', 'base'),
  view: swapped('table', 'kept'),
  index: swapped('index', 'kept_key'),
  type: swapped('type', 'kind'),
  function: swapped('function', 'f', '(integer)'),
  operator: [
    'create schema if not exists attic',
    'alter operator n.@+@ (integer, integer) set schema attic',
    'alter operator n_x.@+@ (integer, integer) set schema n',
    'alter operator attic.@+@ (integer, integer) set schema n_x',
  ],
  cast: [
    'drop cast if exists (n.odd as integer)',
    'create cast (n.odd as integer) with function n.f_x_of(n.odd)',
  ],
}

/** Her side: exchanges by chance, of a number that names the moment, what she gets within moments. */
const exchange = `
  create function ctl.exchange(moment bigint, seed integer) returns integer language plpgsql set lock_timeout = '5ms' as $exchange$
  declare what text; step text; done text[] := '{}'; steps constant jsonb := ${literal(JSON.stringify(exchanges))};
  begin
    for what in select k from unnest(array[${kinds.map(literal)}]) with ordinality u(k, n)
                 where (hashint4(seed) # hashint8(moment * 8 + n)) % 3 = 0 loop
      begin
        for step in select * from jsonb_array_elements_text(steps -> what) loop execute step; end loop;
        done := done || what;
      exception when others then null; -- what another session holds is not hers at this moment
      end;
    end loop;
    insert into ctl.done select unnest(done);
    return cardinality(done);
  end $exchange$;
  create table ctl.done (kind text); create function ctl.moment() returns integer language plpgsql as $$
  declare moment constant bigint := nextval('lab.moments');
  begin
    return (select ctl.exchange(moment, w.seed) from lab.watch w where moment between w.first and w.last);
  end $$`

/** A neighbour, and a way to the server on which she comes between any two statements. */
export interface Neighbour {
  url: string
  /** Makes all that is hers anew. */
  anew(): Promise<void>
  /** From the moment `first` of those that follow on, for so many moments, she exchanges. */
  watch(window: { first: number; moments: number; seed: number }): Promise<void>
  /** How many moments have passed since then. */
  passed(): Promise<number>
  /** How often she has exchanged what, in all. */
  exchanged(): Promise<Record<string, number>>
}

export async function neighbourOf(place: HostileDatabase): Promise<Neighbour> {
  const { sql, run } = place
  await sql.unsafe(`
    grant create on database hostile to mallory;
    create sequence lab.moments; create table lab.watch (first bigint, last bigint, seed integer); insert into lab.watch values (0, -1, 0);
    grant usage on schema lab to public; grant usage on lab.moments to mallory; grant select on lab.watch to mallory;
    create function public.neighbour() returns boolean language plpgsql security definer set search_path = '' as $$
    declare moment bigint; seed integer; only_reads constant boolean := pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'on';
    begin
      if session_user operator(pg_catalog.<>) '${login}' then return true; end if;
      if not only_reads then
        moment := pg_catalog.nextval('lab.moments');
        seed := (select w.seed from lab.watch w where moment operator(pg_catalog.>=) w.first and moment operator(pg_catalog.<=) w.last);
        if seed is null then return true; end if;
      end if;
      if 'neighbour' operator(pg_catalog.=) any (coalesce(lab.dblink_get_connections(), '{}')) is not true then
        perform lab.dblink_connect('neighbour', ${literal(place.urlOf('mallory'))});
      end if;
      perform from lab.dblink('neighbour', case when only_reads then 'select ctl.moment()' else pg_catalog.format('select ctl.exchange(%s, %s)', moment, seed) end) as t(n pg_catalog.int4);
      return true;
    end $$;
    create function lab.around() returns event_trigger language plpgsql as $$ begin perform public.neighbour(); end $$;
    create event trigger before_it on ddl_command_start execute function lab.around();
    create event trigger after_it on ddl_command_end execute function lab.around()`)
  await run('mallory', `${evil}; ${exchange}`)
  const her = place.session('mallory')
  await her`set client_min_messages to error`
  const url = await wayBetween(place.urlOf(login), async () => void (await her`select ctl.moment()`))
  return {
    url,
    async anew() {
      const gone = ['n', 'n2', 'n_x', 'n2_x', 'away_', 'attic'].map(
        (each) => `drop schema if exists ${each} cascade`,
      )
      await her.unsafe(`${gone.join(';')}; ${world('n', 'honest')}; ${world('n2', 'evil')}`).simple()
    },
    async watch({ first, moments, seed }) {
      await sql`select setval('lab.moments', 1, false)`
      await sql`update lab.watch set first = ${first}, last = ${first + moments - 1}, seed = ${seed}`
    },
    async passed() {
      const [row] = await sql<
        [{ passed: number }]
      >`select (last_value - (not is_called)::int)::int as passed from lab.moments`
      return row.passed
    },
    async exchanged() {
      const rows = await sql<
        { kind: string; n: number }[]
      >`select kind, count(*)::int as n from ctl.done group by 1 order by 1`
      return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]))
    },
  }
}

/** A TCP proxy before which each message stands until the one before is answered and `before` has ended. It ends with the test. */
async function wayBetween(url: string, before: () => Promise<void>): Promise<string> {
  const { hostname, port } = new URL(url)
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname)
    let answered = Promise.withResolvers<void>()
    let sent: Promise<unknown> = Promise.resolve()
    let group: Buffer[] = []
    const fromClient = messages((type, message) => {
      if (type === 'X' || type === '' || type === 'p') {
        sent = sent.then(() => server.write(message))
        return
      }
      group.push(type === 'Q' || type === 'P' ? stopping(type, message) : message)
      if (type !== 'Q' && type !== 'S' && type !== 'H') return
      const whole = Buffer.concat(group)
      group = []
      sent = sent.then(async () => {
        await before()
        answered = Promise.withResolvers<void>()
        server.write(whole)
        // After a flush the client sends the rest of what it has begun.
        if (type !== 'H') await answered.promise
      })
    }, true)
    const fromServer = messages((type, message) => {
      client.write(message)
      if (type === 'Z') answered.resolve()
    })
    client.setNoDelay(true).on('data', fromClient)
    server.setNoDelay(true).on('data', fromServer)
    client.on('close', () => void sent.then(() => server.destroy())).on('error', () => {})
    server
      .on('close', () => {
        answered.resolve()
        client.destroy()
      })
      .on('error', () => {})
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => void proxy.close())
  const here = new URL(url)
  here.port = String((proxy.address() as AddressInfo).port)
  return here.href
}

/** Cuts what comes over a connection into messages of the protocol. The first of a client has no type. */
function messages(take: (type: string, message: Buffer) => void, isClient = false): (piece: Buffer) => void {
  let rest = Buffer.alloc(0)
  let begins = isClient
  return (piece) => {
    rest = Buffer.concat([rest, piece])
    for (;;) {
      const at = begins ? 0 : 1
      if (rest.length < at + 4) return
      const length = at + rest.readUInt32BE(at)
      if (rest.length < length) return
      take(begins ? '' : String.fromCharCode(rest[0]!), rest.subarray(0, length))
      begins = false
      rest = rest.subarray(length)
    }
  }
}

/** A message with SQL, whose PL/pgSQL texts stop between their statements. */
function stopping(type: 'Q' | 'P', message: Buffer): Buffer {
  const from = type === 'Q' ? 5 : message.indexOf(0, 5) + 1
  const to = message.indexOf(0, from)
  const text = withStops(message.toString('utf8', from, to))
  const made = Buffer.concat([message.subarray(0, from), Buffer.from(text), message.subarray(to)])
  made.writeUInt32BE(made.length - 1, 1)
  return made
}

/** A text whose blocks of PL/pgSQL call the neighbour between their statements, in a way that changes nothing, not even `found`. */
const withStops = (text: string): string =>
  text.replace(
    /(^|;\s*)(do |create procedure \S+ language plpgsql as )(?:\$viewkeeper\$([\s\S]*?)\$viewkeeper\$|(E?'(?:[^']|'')*'))/g,
    (_, start, makes, dollars, quoted) =>
      start + makes + (dollars ? `$viewkeeper$${blockWithStops(dollars)}$viewkeeper$` : inLiteral(quoted)),
  )

const inLiteral = (quoted: string): string => {
  const isEscaped = quoted.startsWith('E')
  const bare = quoted.slice(isEscaped ? 2 : 1, -1).replaceAll("''", "'")
  return literal(blockWithStops(isEscaped ? bare.replace(/\\(.)/g, (_, c) => (c === 'r' ? '\r' : c)) : bare))
}

const token = /E'(?:[^'\\]|\\.|'')*'|'((?:[^']|'')*)'|"[^"]*"|--.*|\bdeclare\b|\bbegin\b|[();]/gi

function blockWithStops(body: string): string {
  let declares = false
  let depth = 0
  return body.replace(token, (found, inner, at) => {
    if (/^declare$/i.test(found)) declares = true
    else if (/^begin$/i.test(found)) declares = false
    else if (found === '(') depth++
    else if (found === ')') depth--
    else if (inner !== undefined && /^\s*declare\b/.test(inner)) return inLiteral(found)
    else if (found === ';' && !declares && depth === 0 && body.slice(at + 1).trim() !== '')
      return '; if public.neighbour() then end if;'
    return found
  })
}
