import { expect } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { callOn, type useDatabase } from '../servers/database.ts'
import { makeKept } from './kept-table.ts'

/** The incremental table whose log tests make. */
export const daily = { schema: 'app', name: 'daily' }

/** Makes and refreshes incremental table app.daily, with a log by column `by`. */
export function useDaily(
  { database, sql }: Pick<ReturnType<typeof useDatabase>, 'database' | 'sql'>,
  by: string,
) {
  async function planned() {
    const [ids] = await sql<[{ oid: number; query: number }]>`
      select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
    return database.withConnection((own) => planLog(own, { ...ids, ...daily }, by))
  }

  async function makeOwnLog() {
    const log = await planned()
    for (const statement of makeLog(log)) await sql.unsafe(statement)
    return log
  }

  /** Makes the table, and its log. */
  async function make(query: string) {
    await sql.unsafe(makeKept('app.daily', query))
    const log = await makeOwnLog()
    expect(await refreshed()).toContain('all of about')
    return log
  }

  /** What a refresh has computed, in words. Afterwards the table has the rows of its query. */
  async function refreshed() {
    const { status, error, response } = await refresh({ view: 'app.daily' }, callOn(database))
    expect([status, error]).toEqual(['updated', undefined])
    expect(
      await sql`(table app.daily except all table app.daily_query) union all (table app.daily_query except all table app.daily)`,
    ).toEqual([])
    return response?.because ?? ''
  }

  /** How many slices a refresh computes, or that it computes all, and says so as `all`. */
  async function slicesRefreshed(all: RegExp): Promise<number | 'all'> {
    const because = await refreshed()
    const [, anew] = /^computes (\d+) of about \d+ slices/.exec(because) ?? []
    if (anew === undefined) expect(because).toMatch(all)
    return anew === undefined ? 'all' : Number(anew)
  }

  return { planned, makeOwnLog, make, refreshed, slicesRefreshed }
}
