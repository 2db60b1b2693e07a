import { beforeAll, describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'

// What others write between two refreshes: the view is never called as old as its last refresh while it has other rows.

const { url, sql, database } = useDatabase()
const other = `written_${new URL(url).pathname.slice(-8)}`
const view = 'app.v'

beforeAll(async () => {
  await sql.unsafe(`
    create role ${other} login password 'secret'; grant ${other} to current_user;
    create schema app; grant usage, create on schema app to ${other};
    create table app.t (id int primary key, n int); insert into app.t values (1, 1);
    grant select on app.t to ${other};
    create materialized view ${view} as select id, n from app.t; create unique index v_key on ${view} (id);`)
})

/** What may be written, and whether it leaves the row of the view in the catalog alone, so that its age stays known. */
const writes: [what: string, write: string, leavesRow: boolean][] = [
  ['nothing', 'select 1', true],
  ['grant', `grant select on ${view} to ${other}`, false],
  ['revoke', `revoke select on ${view} from ${other}`, false],
  ['grant of what is granted', `grant select on ${view} to public; grant select on ${view} to public`, false],
  ['grant of a column', `grant select (n) on ${view} to ${other}`, true],
  ['comment', `comment on materialized view ${view} is 'new'`, true],
  ['comment of a column', `comment on column ${view}.n is 'new'`, true],
  ['owner', `alter materialized view ${view} owner to ${other}`, false],
  ['owner back', `alter materialized view ${view} owner to current_user`, false],
  ['alter of an option', `alter materialized view ${view} set (fillfactor = 90)`, false],
  ['alter of a column', `alter materialized view ${view} alter n set statistics 200`, true],
  ['analyze', `analyze ${view}`, true],
  ['vacuum', `vacuum ${view}`, true],
  ['vacuum full', `vacuum full ${view}`, false],
  ['cluster', `cluster ${view} using v_key`, false],
  ['index', `create index v_n on ${view} (n)`, true],
  ['drop of an index', 'drop index app.v_n', true],
  ['reindex', `reindex table ${view}`, true],
  ['statistics', `create statistics app.v_stats on id, n from ${view}`, true],
]

const outside = `refresh materialized view concurrently ${view}`

/** Refreshes outside, of newer data or by an older snapshot, before what is written, after it, or with it. */
const orders: [when: string, run: (write: string, isVacuum: boolean) => Promise<unknown>][] = [
  ['and no refresh from outside', (write) => one(write)],
  [
    'after a refresh from outside',
    async (write) => {
      await sql`update app.t set n = n + 1`
      await sql.unsafe(outside)
      await one(write)
    },
  ],
  [
    'before a refresh from outside',
    async (write) => {
      await one(write)
      await sql`update app.t set n = n + 1`
      await sql.unsafe(outside)
    },
  ],
  [
    'in the transaction of a refresh from outside that reads an older snapshot',
    async (write, isVacuum) => {
      await sql`insert into app.t values (5, 5)`
      await sql.begin('isolation level repeatable read', async (part) => {
        await part`select from app.t`
        await sql`delete from app.t where id = 5`
        expect(await refreshed()).toMatchObject({ status: 'updated' })
        await part.unsafe(outside)
        if (!isVacuum) await part.unsafe(write)
      })
      if (isVacuum) await one(write)
    },
  ],
]

/** Each statement in a transaction of its own. */
const one = async (write: string) => {
  for (const statement of write.split('; ')) await sql.unsafe(statement)
}
const refreshed = () => refresh({ view, strategy: 'concurrent' }, callOn(database))
const facts = async () => {
  const [row] = await sql<[{ asOf: Date | null; filling: string; isFresh: boolean; isRight: boolean }]>`
    select viewkeeper.as_of(${view}) as "asOf", viewkeeper.filling(${view}::regclass) as filling,
           coalesce(viewkeeper.is_fresh(${view}, '1 hour'), false) as "isFresh",
           (select jsonb_agg(v order by id) from app.v) = (select jsonb_agg(t order by id) from app.t) as "isRight"`
  return row
}

describe.each(orders)('%s', (when, run) => {
  test.each(writes)('%s', async (what, write, leavesRow) => {
    if (what === 'drop of an index') await sql`create index if not exists v_n on app.v (n)`
    if (what === 'index') await sql`drop index if exists app.v_n`
    await sql`drop statistics if exists app.v_stats`
    await refreshed()
    const before = await facts()
    expect(before.isFresh).toBe(true)
    await run(write, /^(vacuum|cluster)/.test(what))
    const after = await facts()
    const isKnown = leavesRow && when.startsWith('and no')
    expect(after.asOf).toEqual(isKnown ? before.asOf : null)
    if (after.isFresh) expect(after.isRight).toBe(true)
    // A swap whose shadow began to be filled before that takes nothing away.
    const seen = sql.json({ 1: { view: view.split('.'), replaces: before.filling } })
    const [{ newer }] = await sql<[{ newer: string }]>`select viewkeeper.newer(${seen}, '{}') as newer`
    expect(newer).toBe(isKnown ? '' : view)
  })
})
