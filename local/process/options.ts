import { LocalProblem } from './problem.ts'

export interface LocalOptions {
  port: number
  /** The folder for the data, the log and the password of the embedded server. */
  folder: string
  /** Another PostgreSQL, used instead of the embedded one. */
  databaseUrl?: string
}

/** Reads PORT, DATA_DIR and DATABASE_URL. An empty variable counts as not set. */
export function readOptions(env: NodeJS.ProcessEnv): LocalOptions {
  const port = Number(env.PORT || 8787)
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new LocalProblem(`PORT is ${env.PORT}: it must be a number from 1 to 65535`)
  }
  return { port, folder: env.DATA_DIR || '.viewkeeper', databaseUrl: env.DATABASE_URL || undefined }
}
