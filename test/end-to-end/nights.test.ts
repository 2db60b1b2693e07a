import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { unscheduled } from '../../src/due/schedules.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { refresh } from '../../src/run/refresh.ts'
import { connectTo } from '../../src/server/connect.ts'
import type { Database, Sql } from '../../src/server/database.ts'
import { monitor } from '../../src/watch/monitor.ts'
import { type Disk, mountDisk } from '../faults/support/disk.ts'
import { unheard } from '../support/aws/publisher.ts'
import { eachCase } from '../support/deep.ts'
import { define, deleteRows, emptyTables } from '../support/record/rows.ts'
import { administrator, callOn, schemaFolder } from '../support/servers/database.ts'
import { startTestServer, type TestServer } from '../support/servers/test-server.ts'
import { makeKept } from '../support/slices/kept-table.ts'
import { messagesOf, passTime } from '../support/views/pass.ts'
import { endProcess, makeGatedView, untilAtGate, withGateClosed } from '../support/views/slow-view.ts'
import { holdLocks } from '../support/waiting/holder.ts'
import { freeze } from './command-line/projects.ts'
import { Project } from './support/project.ts'

// Whoever is called at night knows the mail and nothing else: he types what it says, and it is mended or better known.

let server: TestServer
let sql: Sql
let database: Database
let disk: Disk | undefined

beforeAll(async () => {
  disk = mountDisk(32 * 1024 * 1024)
  const space = disk && mkdtempSync(join(disk.folder, 'space-'))
  server = await startTestServer({ prepare: (_, user) => (space ? user.own(space) : undefined) })
  sql = administrator(server.url)
  database = connectTo(fromUrl(server.url))
  await migrate(database, schemaFolder)
  if (space) await sql.unsafe(`create tablespace small location '${space}'`)
  await sql.unsafe(`
    create schema app; create role reporter; grant usage, create on schema app to reporter;
    create table app.t as select 1 as id, 1 as n; create table app.flag as select false as sleeps;
    create function app.waits() returns integer language plpgsql as $$
      begin if (select sleeps from app.flag) then perform pg_sleep(3600); end if; return 1; end $$;
    create function app.reads() returns bigint language plpgsql as $$ begin return (select sum(n) from app.t); end $$;
    create materialized view app.divided as select id, 1 / n as part from app.t;
    create materialized view app.twice as select id from app.t; create unique index twice_key on app.twice (id);
    create materialized view app.unread as select id from app.t;
    create materialized view app.locked as select id from app.t;
    create materialized view app.late as select app.waits();
    create materialized view app.checked as select n from app.t;
    create materialized view app.lacking as select app.reads();
    create materialized view app.large ${space ? 'tablespace small' : ''} as
      select i, repeat(md5(i::text), 10) as text from generate_series(1, 10000) i;
    ${makeKept('app.limited', 'select id, n from app.t')};
    create unique index limited_key on app.limited (id); alter table app.limited add constraint positive check (n > 0)`)
  await makeGatedView(sql, 'killed')
  await define(sql, 'app.checked', { checks: { positive: 'select n from checked where n < 1' } })
})
afterAll(async () => {
  await sql.end({ timeout: 1 })
  await server.stop()
  disk?.unmount()
})

const asked = (view: string, more: object = {}) =>
  refresh({ view, ...more }, callOn(database, { trigger: 'schedule' })).catch(() => {})

/** What one look tells people, some minutes after the last one. */
async function mail(): Promise<string> {
  await passTime(sql, '10 minutes')
  await monitor(database, {
    schedules: unscheduled,
    publish: unheard,
    people: { environment: 'shop', typed: null, links: {} },
  })
  const [message, ...more] = await messagesOf(sql)
  await deleteRows(sql, 'events')
  expect(more).toEqual([])
  return `${message?.subject}\n${message?.text}`
}

interface Night {
  fault: string
  view: string
  /** Makes the fault, and has the view refreshed. */
  breaks: (project: Project) => Promise<unknown>
  /** In the mail, besides the command. */
  says: RegExp
  next: RegExp
  /** SQL that the mail gives, which comes before the command. */
  first?: (mail: string) => string
  /** What the command prints. */
  shows?: RegExp
  /** SQL that its output gives or suggests; then the view is refreshed. */
  after?: (printed: string) => string
}

const wrongRow = 'insert into app.t values (1, 0)'
const nights: Night[] = [
  {
    fault: 'a row with which the query fails',
    view: 'app.divided',
    breaks: () => sql.unsafe(wrongRow).then(() => asked('app.divided')),
    says: /division by zero/,
    next: /^viewkeeper bad-row app\.divided$/,
    shows: /n +0/,
    after: () => 'delete from app.t where n = 0',
  },
  {
    fault: 'two rows with one key',
    view: 'app.twice',
    breaks: () => sql.unsafe(wrongRow).then(() => asked('app.twice')),
    says: /unique violation in index twice_key/,
    next: /^viewkeeper bad-row app\.twice$/,
    shows: /twice_key/,
    after: () => 'delete from app.t where n = 0',
  },
  {
    fault: 'a right that is missing',
    view: 'app.unread',
    breaks: () =>
      sql.unsafe('alter materialized view app.unread owner to reporter').then(() => asked('app.unread')),
    says: /reporter, lacks select on app\.t/,
    next: /^viewkeeper doctor app\.unread$/,
    after: (printed) => /^ +(grant select .*;)$/m.exec(printed)![1]!,
  },
  {
    fault: 'a session that holds a lock',
    view: 'app.locked',
    breaks: async () => {
      await holdLocks(server.url, 'select from app.locked', 'a forgotten psql')
      await asked('app.locked', { strategy: 'regular', timeoutSeconds: 3 })
    },
    says: /application "a forgotten psql"/,
    next: /^select pg_terminate_backend\(\d+\);$/,
    after: () => '',
  },
  {
    fault: 'a refresh that takes longer than it may',
    view: 'app.late',
    breaks: async () => {
      await sql`update app.flag set sleeps = true`
      await asked('app.late', { timeoutSeconds: 2 })
      await sql`update app.flag set sleeps = false`
    },
    says: /canceled after 2 s in phase \w+/,
    next: /^viewkeeper refresh app\.late --timeout \d+$/,
  },
  {
    fault: 'the end of the server process that works on it',
    view: 'public.killed',
    breaks: () =>
      withGateClosed(sql, 'killed', async () => {
        const answer = asked('killed')
        await endProcess(sql, await untilAtGate(sql, 'killed'))
        await answer
      }),
    says: /RunLost|57P01/,
    next: /^viewkeeper refresh public\.killed$/,
  },
  {
    fault: 'a full disk',
    view: 'app.large',
    breaks: async () => {
      if (disk) await disk.fill()
      else
        await sql.unsafe(`
          create function app.full() returns trigger language plpgsql as $$ begin raise sqlstate '53100'; end $$;
          create trigger full_disk before update on viewkeeper.runs for each row when (new.status = 'running') execute function app.full()`)
      await asked('app.large')
      if (disk) await disk.free()
      else await sql`drop function app.full() cascade`
    },
    says: /The rows of app\.large are in tablespace (small|pg_default)/,
    next: /^viewkeeper refresh app\.large$/,
  },
  {
    fault: 'a view that somebody has dropped',
    view: 'public.gone',
    breaks: async (project) => {
      project.author('gone', 'select id from app.t')
      await project.succeed(...freeze())
      await project.succeed('migrate', 'up')
      await sql`drop materialized view gone`
    },
    says: /missing/,
    next: /^viewkeeper migrate up --repair$/,
    shows: /made again/,
  },
  {
    fault: 'a constraint of others on an incremental table',
    view: 'app.limited',
    breaks: () => sql.unsafe('insert into app.t values (2, 0)').then(() => asked('app.limited')),
    says: /constraint positive of app\.limited/,
    next: /^viewkeeper refresh app\.limited$/,
    first: (mail) => /alter table app\.limited drop constraint positive;/.exec(mail)![0],
  },
  {
    fault: 'a check that finds rows',
    view: 'app.checked',
    breaks: () => sql.unsafe('insert into app.t values (3, 0)').then(() => asked('app.checked')),
    says: /positive/,
    next: /^viewkeeper runs \d+$/,
    shows: /select n from checked where n < 1/,
    after: () => 'delete from app.t where n < 1',
  },
  {
    fault: 'a table below a function that is gone',
    view: 'app.lacking',
    breaks: () => sql.unsafe('alter table app.t rename to u').then(() => asked('app.lacking')),
    says: /app\.t/,
    next: /^viewkeeper bad-row app\.lacking$/,
    shows: /app\.t/,
    after: () => 'alter table app.u rename to t',
  },
]

eachCase(nights, { quick: 2 })('the mail about $fault leads to its end', async (night) => {
  const { view, breaks, says, next, first, shows = /./, after } = night
  await sql`delete from app.t where n <> 1`
  await emptyTables(sql, 'incidents', 'events')
  await deleteRows(sql, 'switches', { key: ['noted', 'monitored'] })
  if (view !== 'public.gone') await refresh({ view }, callOn(database))
  const project = new Project(server.url)
  await breaks(project)
  const told = await mail()
  expect(told).toMatch(says)
  const typed = /^ {2}Next: (.*)$/m.exec(told)?.[1] ?? ''
  expect(typed, told).toMatch(next)
  if (first) await sql.unsafe(first(told))
  let printed = ''
  if (typed.startsWith('viewkeeper')) {
    const { out, err } = await project.shell(`npx ${typed} || true`, {})
    printed = out + err
    expect(printed).toMatch(shows)
  } else await sql.unsafe(typed)
  if (after) {
    await sql.unsafe(after(printed))
    expect(await project.run(['refresh', view])).toMatchObject({ code: 0 })
  }
  expect(await mail()).toMatch(/^OK: \S+ is well again/)
})
