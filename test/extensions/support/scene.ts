import { beforeAll } from 'vitest'
import { migrate } from '../../../src/own-schema/apply.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { makeExtensions, makeTables, views } from './views.ts'

/** A database with the extensions: the views are an application's, and Viewkeeper's login is a member of their owner. */
export interface Scene {
  /** As superuser. */
  sql: Sql
  /** As Viewkeeper's login. */
  database: Database
}

/** Makes the views of schema `app`; beside each, in schema `plain`, one that only PostgreSQL itself refreshes. */
export function useExtensions(): Scene {
  const { sql, url, as } = useDatabase({ migrated: false })
  const name = new URL(url).pathname.slice(1)
  const [keeper, boss] = ['keeper', 'boss'].map((role) => `${role}_${name.slice(-8)}`) as [string, string]
  const { database } = as(keeper)
  beforeAll(async () => {
    await sql.unsafe(`
      create role ${boss}; create role ${keeper} login password 'secret' in role ${boss};
      grant create on database ${name} to ${keeper}, ${boss}`)
    await migrate(database, schemaFolder)
    const made = Object.entries(views).flatMap(([view, { query, indexes }]) =>
      ['app', 'plain'].flatMap((schema) => [
        `create materialized view ${schema}.${view} as ${query}`,
        ...indexes.map((index) => indexOn(`${schema}.${view}`, index)),
      ]),
    )
    await sql.unsafe(`
      ${makeExtensions};
      set role ${boss}; create schema app; create schema plain;
      ${makeTables};
      ${made.join(';\n')};
      reset role`)
  })
  return { sql, database }
}

const indexOn = (view: string, index: string): string =>
  index.startsWith('unique ')
    ? `create unique index on ${view} ${index.slice('unique '.length)}`
    : `create index on ${view} ${index}`

/** What a view shows, whole and through its indexes. */
export async function shown(sql: Sql, view: string, search: string): Promise<unknown> {
  return sql.begin(async (its) => {
    const [whole] = await its.unsafe(
      `select count(*) as rows, md5(string_agg(v::text, ',' order by v::text)) as digest from ${view} v`,
    )
    await its`set local enable_seqscan = off`
    const [found] = await its.unsafe(`select count(*) as found from ${view} where ${search}`)
    return { ...whole, ...found }
  })
}

/** What a view shows after PostgreSQL's own refresh of the one beside it. */
export async function shownByPlain(sql: Sql, name: string, search: string): Promise<unknown> {
  await sql.unsafe(`refresh materialized view plain.${name}`)
  return shown(sql, `plain.${name}`, search)
}
