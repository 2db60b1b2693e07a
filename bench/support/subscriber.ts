import { fromUrl } from '../../src/keeper/database-url.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { schemaFolder } from '../../src/package-files.ts'
import { connectTo, type Sql } from '../../src/server/connect.ts'
import { administrator } from '../../test/support/servers/database.ts'
import { until } from '../../test/support/waiting/until.ts'

interface Subscriber {
  /** Waits until the next row of `bench.alone` or an error has arrived. */
  outcome(): Promise<string>
  leave(): Promise<void>
}

let started = 0

/** Starts a subscriber of a publication: another database of the same server, with the tables of `bench`, without the views. */
export async function startSubscriber(
  url: string,
  sql: Sql,
  publication: string,
  hasSchemaViewkeeper: boolean,
): Promise<Subscriber> {
  const name = `subscriber_${++started}`
  await sql.unsafe(`create database ${name}`)
  const there = Object.assign(new URL(url), { pathname: `/${name}` }).href
  const target = administrator(there)
  // `create subscription` insists on every published table; the publisher may get more of them later.
  await migrate(connectTo(fromUrl(there)), schemaFolder)
  await target.unsafe(`
    create schema bench; create table bench.base (id integer primary key, version integer, note text);
    create table bench.alone (id integer); create table firings (event text, tag text)`)
  await sql.unsafe(`create publication ${name} ${publication}`)
  await sql`select pg_create_logical_replication_slot(${name}, 'pgoutput')`
  const { hostname, port, username, password } = new URL(url)
  await target.unsafe(`
    create subscription ${name}
      connection 'host=${hostname} port=${port} user=${username} password=${password} dbname=postgres'
      publication ${name} with (create_slot = false, copy_data = false)`)
  if (!hasSchemaViewkeeper) await target`drop schema viewkeeper cascade`
  return {
    outcome: () =>
      until('the row or an error arrives', async () => {
        if ((await target`select from bench.alone`).length > 0) return 'goes on'
        const [stats] = await target`
          select apply_error_count as errors from pg_stat_subscription_stats where subname = ${name}`
        return stats!.errors > 0 && 'stops with an error'
      }),
    async leave() {
      await target.unsafe(`alter subscription ${name} disable`)
      await target.end()
      await sql.unsafe(`drop publication ${name}`)
    },
  }
}
