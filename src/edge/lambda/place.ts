import { readFileSync } from 'node:fs'
import { Problem } from '../../problem.ts'
import type { ConnectionOptions } from '../../server/connect.ts'

type Place = Pick<ConnectionOptions, 'host' | 'port' | 'database' | 'tls'>

/** The server and database that environment variables name, with TLS that the roots of RDS or `DATABASE_CA` vouch for. */
export const placeOf = (env: NodeJS.ProcessEnv): Place => ({
  host: env.DATABASE_HOST ?? '',
  port: Number(env.DATABASE_PORT ?? 5432),
  database: env.DATABASE_NAME ?? 'postgres',
  tls: { verify: true, roots: [env.DATABASE_CA ?? rdsRoots()] },
})

/**
 * The root certificates of RDS. Lambda keeps them in this file, current for every region; since Node 20,
 * Lambda does not load them by itself. The Lambda developer guide documents the file for NODE_EXTRA_CA_CERTS,
 * under the Node.js runtimes.
 */
function rdsRoots(file = '/var/runtime/ca-cert.pem'): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Problem(
      'DatabaseUnavailable',
      `${file}, where Lambda keeps the root certificates of RDS, cannot be read. Outside Lambda, or if the database has ` +
        'a certificate of another authority, give the root certificates (PEM) in DATABASE_CA.',
      { cause },
    )
  }
}
