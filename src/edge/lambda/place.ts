import type { ConnectionOptions } from '../../server/connect.ts'
import { rdsRoots } from './roots.ts'

type Place = Pick<ConnectionOptions, 'host' | 'port' | 'database' | 'tls'>

/** The server and database that environment variables name, with TLS that the roots of RDS or `DATABASE_CA` vouch for. */
export const placeOf = (env: NodeJS.ProcessEnv): Place => ({
  host: env.DATABASE_HOST ?? '',
  port: Number(env.DATABASE_PORT ?? 5432),
  database: env.DATABASE_NAME ?? 'postgres',
  tls: { verify: true, roots: [env.DATABASE_CA ?? rdsRoots()] },
})
