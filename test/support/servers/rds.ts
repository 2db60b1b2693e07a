import { afterAll, beforeAll } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { administrator } from './database.ts'
import { major, startTestServer, type TestServer } from './test-server.ts'

/** A database whose master is no superuser, as on RDS: `master` has createrole and createdb, and owns the database. */
export interface RdsDatabase {
  /** The master's URL. */
  url: string
  /** A superuser's connection, which RDS gives to nobody. */
  sql: Sql
  as(user: string, password?: string): { url: string; database: Database }
  /** Executes SQL as a login. */
  run(user: string, text: string): Promise<unknown>
}

/**
 * A server of the test file's own, because roles belong to the whole server. Each call of the result gives a new database
 * on a server without roles but `master`.
 */
export function useRds(): () => Promise<RdsDatabase> {
  let server: TestServer
  let root: Sql
  let current: Sql | undefined
  beforeAll(async () => {
    server = await startTestServer()
    root = administrator(server.url)
  })
  afterAll(async () => {
    await current?.end({ timeout: 1 })
    await root?.end({ timeout: 1 })
    await server?.stop()
  })
  return async () => {
    await current?.end({ timeout: 1 })
    await root`drop database if exists app with (force)`
    // All at once: some have granted others, and could not go before these.
    const [{ roles }] = await root<[{ roles: string | null }]>`
      select string_agg(quote_ident(rolname), ', ') as roles from pg_roles where oid >= 16384`
    if (roles !== null) await root.unsafe(`drop role ${roles}`)
    await root.unsafe(`create role master login createrole createdb password 'hunter2'`)
    if (major >= 16) await root`grant pg_signal_backend, pg_read_all_stats to master with admin option`
    await root`create database app owner master`
    const url = new URL('app', server.url)
    const sql = administrator(url.href)
    current = sql
    const as = (user: string, password = 'hunter2') => {
      const other = new URL(url)
      other.username = user
      other.password = password
      return { url: other.href, database: connectTo(fromUrl(other.href)) }
    }
    const run = (user: string, text: string) =>
      as(user).database.withConnection((connection) => connection.unsafe(text))
    return { url: as('master').url, sql, as, run }
  }
}

/** The database of an application: one role owns a schema, its tables, views of several kinds, and what hangs on them. */
export async function oneRoleDatabase({ run }: RdsDatabase, owner = 'app_owner'): Promise<void> {
  if (owner !== 'master') {
    await run(
      'master',
      `create role ${owner} login password 'hunter2'; grant create on database app to ${owner}`,
    )
  }
  await run(
    owner,
    `create schema shop;
     create table shop.orders as select i as id, i % 3 as customer, i * 10 as total from generate_series(1, 30) i;
     create materialized view shop.sales as select customer, sum(total) as total from shop.orders group by customer;
     create unique index on shop.sales (customer);
     create view shop.best as select customer from shop.sales where total > 100;
     create materialized view shop.days as select id from shop.orders;
     create statistics shop.days_statistics (ndistinct) on id, (id % 7) from shop.days;`,
  )
}
