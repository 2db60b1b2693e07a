import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readView } from '../../../../src/record/definitions/look.ts'
import type { Result } from '../../../../src/run/call.ts'
import { create } from '../../../../src/run/create.ts'
import { drop } from '../../../../src/run/drop.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import { planLog } from '../../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../../src/slices/plan/log.ts'
import { eachCase } from '../../../support/deep.ts'
import { define } from '../../../support/record/rows.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { makeKept } from '../../../support/slices/kept-table.ts'
import { type Holder, whileLocked } from '../../../support/waiting/holder.ts'
import { untilToldToComeBack } from '../../../support/waiting/told.ts'

const { database, sql, url, as } = useDatabase()
const suffix = url.slice(-8)
const [boss, login, stranger] = [`boss_${suffix}`, `login_${suffix}`, `stranger_${suffix}`]
const query = 'select id from public.base'
let version = 0

beforeAll(async () => {
  const [server] = await sql`select current_setting('server_version_num')::int / 10000 as major`
  version = server?.major
  await sql.unsafe(`
    create role ${boss}; create role ${login} login password 'secret'; create role ${stranger} login password 'secret';
    grant ${boss} to ${login}; grant usage, create on schema public to ${boss};
    grant usage on schema viewkeeper to ${login};
    grant select, insert, update on all tables in schema viewkeeper to ${login};
    create table base as select generate_series(1, 9) as id; grant all on base to ${boss}, ${stranger}`)
})

beforeEach(async () => {
  await sql.unsafe(`
    drop materialized view if exists mv cascade; create materialized view mv as ${query}; create unique index mv_key on mv (id);
    alter materialized view mv owner to ${boss}; grant select on mv to ${stranger}, ${login}`)
})

// Longer than a busy machine holds a process up: the run has to reach its locks before its time is over.
const timeoutSeconds = 3

const doing = (name: string) => {
  return (by: typeof database, seconds = timeoutSeconds): Promise<Result> => {
    const options = { view: 'mv', timeoutSeconds: seconds }
    if (name === 'drop') return drop(options, callOn(by))
    if (name === 'create') return create({ ...options, force: true }, callOn(by))
    return refresh({ ...options, strategy: name as 'auto' }, callOn(by))
  }
}

const expectNamed = (result: Result, { pid }: Holder, lock: string) => {
  const { class: code, message, hint = '' } = result.error ?? { class: null, message: '' }
  expect({ code, said: `${message}. ${hint}` }).toEqual({
    code: 'LockTimeout',
    said: expect.stringMatching(
      new RegExp(`process ${pid} \\(role \\w+, application "a long report".*\\) holds ${lock}`),
    ),
  })
  expect(`${message}. ${hint}`).toContain(`select pg_terminate_backend(${pid})`)
  expect(JSON.stringify(result)).not.toContain('4242424242424242')
}

const everything = ['regular', 'concurrent', 'swap', 'auto', 'drop', 'create']

describe('a run', () => {
  const inTheWay: [what: string, holding: string, lock: string, runs: string[]][] = [
    [
      'holds the view exclusively',
      'refresh materialized view mv; select 4242424242424242',
      'AccessExclusiveLock on public.mv',
      everything,
    ],
    [
      'reads the view all the time',
      'select id, 4242424242424242 from mv',
      'AccessShareLock on public.mv',
      everything.filter((name) => !name.startsWith('concurrent')),
    ],
    [
      'holds a table that the view reads',
      'lock table base in access exclusive mode; select 4242424242424242',
      'AccessExclusiveLock on public.base',
      ['regular', 'concurrent', 'swap', 'auto'],
    ],
  ]

  eachCase(
    inTheWay.flatMap(([what, holding, lock, runs]) => runs.map((name) => [what, name, holding, lock])),
    { quick: 2 },
  )('names who %s: %s', async (_, name, holding, lock) => {
    await define(sql, 'public.mv', { sql: query })
    await whileLocked(url, holding!, async (holder) => {
      expectNamed(await doing(name!)(database), holder, lock!)
    })
  })
})

test('readers of a view wait briefly at most while its regular refresh waits for a table that it reads', async () => {
  await whileLocked(url, 'lock table base in access exclusive mode', async ({ letGo }) => {
    const run = doing('regular')(database, 60)
    const reader = await sql.reserve()
    await reader`set lock_timeout = '30s'`
    await untilToldToComeBack(sql, () => reader`select from mv`)
    await reader`reset lock_timeout`
    reader.release()
    await letGo()
    expect(await run).toMatchObject({ status: 'updated' })
  })
})

eachCase(['regular', 'swap'], { quick: 1 })(
  'a %s refresh names who holds a table that a function below reads',
  async (name) => {
    await sql.unsafe(`
    create table far (id int); insert into far values (1);
    create function ids() returns setof int language sql stable security definer begin atomic select id from far; end;
    create view between_them as select n as id from ids() n;
    drop materialized view mv; create materialized view mv as select id from between_them`)
    await whileLocked(url, 'lock table far in access exclusive mode', async (holder) => {
      expectNamed(await doing(name)(database), holder, 'AccessExclusiveLock on public.far')
    })
    await sql`drop table far cascade`
  },
)

eachCase(['public.logged', 'viewkeeper_logs."public.mv_0"'], { quick: 1 })(
  'a refresh by a change log names who holds %s',
  async (table) => {
    await sql.unsafe(`
    create table logged (id int, day date); drop materialized view mv; ${makeKept('public.mv', 'select day, count(*) as n from logged group by day')}`)
    const log = await database.withConnection(async (own) =>
      planLog(own, await readView(own, { schema: 'public', name: 'mv' })),
    )
    for (const statement of makeLog(log)) await sql.unsafe(statement)
    // A refresh of all rows does not wait for the log.
    await refresh({ view: 'mv' }, callOn(database))
    await whileLocked(url, `lock table ${table} in access exclusive mode`, async (holder) => {
      const result = await refresh({ view: 'mv', timeoutSeconds }, callOn(database))
      expectNamed(result, holder, `AccessExclusiveLock on ${table}`)
    })
    await sql.unsafe(dropLog({ schema: 'public', name: 'mv' }))
    await sql`drop table mv, logged cascade`
  },
)

test('a new view names who holds a table that its query reads', async () => {
  await define(sql, 'public.made', { sql: query })
  await whileLocked(url, 'lock table base in access exclusive mode', async (holder) => {
    const result = await create({ view: 'made', timeoutSeconds }, callOn(database))
    expectNamed(result, holder, 'AccessExclusiveLock on public.base')
  })
})

test('a concurrent refresh does not name readers, who are not in its way', async () => {
  await whileLocked(url, 'select from mv', async (reader) => {
    await whileLocked(url, 'lock table base in access exclusive mode', async (holder) => {
      const result = await doing('concurrent')(database)
      expectNamed(result, holder, 'AccessExclusiveLock on public.base')
      expect(result.error?.message).not.toContain(`process ${reader.pid} `)
    })
  })
})

describe('a login that is no superuser', () => {
  test('sees role and application of a stranger, and not what the stranger does', async () => {
    await whileLocked(as(stranger).url, 'select id, 4242424242424242 from mv', async (holder) => {
      const result = await doing('regular')(as(login).database)
      expectNamed(result, holder, 'AccessShareLock on public.mv')
      expect(result.error?.message).toContain(`role ${stranger}, application "a long report")`)
    })
  })

  test('sees since when the transaction goes on if it may see all statistics', async () => {
    await sql.unsafe(`grant pg_read_all_stats to ${login}`)
    try {
      await whileLocked(as(stranger).url, 'select id, 4242424242424242 from mv', async (holder) => {
        const result = await doing('swap')(as(login).database)
        expectNamed(result, holder, 'AccessShareLock on public.mv')
        expect(result.error?.message).toMatch(/idle in transaction, transaction began \d{4}-\d\d-\d\d /)
      })
    } finally {
      await sql.unsafe(`revoke pg_read_all_stats from ${login}`)
    }
  })

  test('that may only maintain the view (17 and later) names the holder, too', async () => {
    if (version < 17) return
    await sql.unsafe(`grant maintain on mv to ${stranger}; grant usage on schema viewkeeper to ${stranger};
      grant select, insert, update on all tables in schema viewkeeper to ${stranger}`)
    await whileLocked(as(login).url, 'select id, 4242424242424242 from mv', async (holder) => {
      const result = await doing('regular')(as(stranger).database)
      expectNamed(result, holder, 'AccessShareLock on public.mv')
    })
  })
})
