import type { Database } from './connect.ts'
import { runChannel } from './envelope-text.ts'

/** Calls `onEnd` whenever a run has ended, whoever had asked for it, until it is told to stop. */
export async function listenForEnds(database: Database, onEnd: () => void): Promise<() => Promise<void>> {
  const { sql, leave } = await database.open({ application_name: 'viewkeeper listening' }, onEnd)
  try {
    await sql.unsafe(`listen ${runChannel}`)
    return leave
  } catch (error) {
    await leave()
    throw error
  }
}
