import postgres from 'postgres'
import type { Sql } from '../../../src/server/database.ts'
import { ofTestsThemselves } from '../servers/settings.ts'

/** A session that holds what it has locked until it is told to let go. */
export interface Holder {
  pid: number
  letGo(): Promise<unknown>
  /** Commits what the session has done, and these statements; what it holds is let go. */
  commit(statements?: string): Promise<unknown>
}

/** Opens a session of its own, named `application`, that executes these statements in a transaction and stays in it. */
export async function holdLocks(
  url: string,
  statements: string,
  application = 'a long report',
): Promise<Holder> {
  const session = postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { ...ofTestsThemselves, application_name: application },
  }) as Sql
  const [row] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`
  await session.unsafe(`begin; ${statements}`)
  return {
    pid: row?.pid as number,
    letGo: () => session.end({ timeout: 0 }),
    commit: (statements = '') => session.unsafe(`${statements}; commit`).then(() => session.end()),
  }
}

/** The same while `work` runs. */
export async function whileLocked<T>(
  url: string,
  statements: string,
  work: (holder: Holder) => Promise<T>,
): Promise<T> {
  const holder = await holdLocks(url, statements)
  try {
    return await work(holder)
  } finally {
    await holder.letGo()
  }
}
