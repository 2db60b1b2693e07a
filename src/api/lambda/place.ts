import { existsSync, readFileSync } from 'node:fs'
import type { ConnectionOptions } from '../../server/connect.ts'

type Place = Pick<ConnectionOptions, 'host' | 'port' | 'database' | 'tls'>

/**
 * The server and database that environment variables name, with TLS that the roots of RDS vouch for, or the authorities in
 * `DATABASE_CA` or the file `DATABASE_CA_FILE`.
 */
export const placeOf = async (env: NodeJS.ProcessEnv): Promise<Place> => ({
  host: env.DATABASE_HOST ?? '',
  port: Number(env.DATABASE_PORT ?? 5432),
  database: env.DATABASE_NAME ?? 'postgres',
  tls: { verify: true, roots: ownRoots(env) ?? (await rdsRoots()) },
})

function ownRoots({ DATABASE_CA: text, DATABASE_CA_FILE: file }: NodeJS.ProcessEnv): string[] | undefined {
  if (text) return [text]
  return file ? [readFileSync(file, 'utf8')] : undefined
}

/**
 * The root certificates of RDS. Lambda keeps them in this file, current for every region, and does not load them by itself since
 * Node 20. The file is AWS's to change: without it, those that were built in count.
 */
async function rdsRoots(file = '/var/runtime/ca-cert.pem'): Promise<string[]> {
  if (existsSync(file)) return [readFileSync(file, 'utf8')]
  return (await import('../../keeper/rds-roots.ts')).rdsRoots
}
