import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { findServerUser, startEmbeddedPostgres } from '../../../../local/embedded/embedded.ts'
import { makeCertificate } from '../../../support/servers/tls.ts'

export type TestDatabase = Awaited<ReturnType<typeof startDatabase>>

/**
 * A real PostgreSQL with a certificate of its own authority, a database `app`, and in it the view
 * `public.sales` that does not belong to Viewkeeper, and schema `reports`, in which Viewkeeper may create
 * views.
 */
export async function startDatabase(folder: string) {
  mkdirSync(folder, { recursive: true })
  const { certificate, key } = makeCertificate(folder, 'DNS:localhost')
  const user = findServerUser([folder])
  for (const file of [certificate, key]) user.own(file)
  const server = await startEmbeddedPostgres({
    folder,
    parameters: {
      ssl: 'on',
      ssl_cert_file: certificate,
      ssl_key_file: key,
      log_connections: 'on',
    },
  })
  const connect = (database: string) =>
    postgres(new URL(database, server.url).href, { max: 1, onnotice: () => {} })
  const postgresDatabase = connect('postgres')
  await postgresDatabase`create database app`
  await postgresDatabase.end()

  const sql = connect('app')
  await sql.unsafe(`
    create role owner_of_sales;
    create role reader;
    create table public.sale (day date not null, amount numeric not null);
    insert into public.sale select date '2026-01-01' + n % 30, n from generate_series(1, 1000) as n;
    create materialized view public.sales as select day, sum(amount) as amount from public.sale group by day;
    create unique index on public.sales (day);
    alter table public.sale owner to owner_of_sales;
    alter materialized view public.sales owner to owner_of_sales;
    grant create on schema public to owner_of_sales;`)

  const url = new URL('app', server.url).href
  const secret = createRole(url)
  await sql.unsafe(`
    create schema reports;
    grant usage, create on schema reports to viewkeeper_views, owner_of_sales;
    grant select on public.sale, public.sales to viewkeeper_views;
    grant usage on schema reports to reader;`)

  return {
    sql,
    /** The URL of an administrator. */
    url,
    /** The secret for Secrets Manager, as `viewkeeper create-role` writes it. */
    secret,
    port: server.port,
    version: server.version,
    /** PEM text of the authority that signed the server's certificate: the certificate itself. */
    authority: readFileSync(certificate, 'utf8'),
    /** The number of a role's connections so far, and of those that were encrypted. */
    countConnections(role = 'viewkeeper_app') {
      const lines = readFileSync(join(folder, 'postgres-18.log'), 'utf8').split('\n')
      const ours = lines.filter((line) => line.includes(`connection authorized: user=${role}`))
      return { all: ours.length, encrypted: ours.filter((line) => line.includes('SSL enabled')).length }
    },
    async stop() {
      await sql.end({ timeout: 1 })
      await server.stop()
    },
  }
}

/** Runs `viewkeeper create-role`, and returns the secret that it prints, if it makes one. */
export function createRole(adminUrl: string, ...more: string[]): string {
  const commandLine = fileURLToPath(new URL('../../../../cli/viewkeeper.js', import.meta.url))
  const env = { ...process.env, DATABASE_URL: adminUrl }
  return execFileSync(process.execPath, [commandLine, 'create-role', ...more], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
