import type { Sql } from 'postgres'
import { expect } from 'vitest'
import { define, updateRows } from '../../support/record/rows.ts'
import { until } from '../../support/waiting/until.ts'

/** A view with a turn each minute. */
export interface Minutes {
  /** The last leader seems to have looked two minutes ago: the next one catches up the turn that has come since. */
  missOne(): Promise<void>
  /**
   * Waits until the turn of this minute has ended. Since the first one each minute has one, which has brought its data, or was skipped
   * because the one before was about to.
   */
  expectEachOnce(): Promise<void>
}

/** Gives the view a schedule for each minute, in the record: the leader sees it at once. */
export async function eachMinute(sql: Sql, view: string): Promise<Minutes> {
  await define(sql, view, { source: 'discovered', schedule: '* * * * *', timeZone: 'UTC' })
  return {
    missOne: async () => {
      await until('the monitor has looked', async () => {
        const looked = await sql`select from viewkeeper.switches where key = 'looked'`
        return looked.count > 0
      })
      const value = sql`jsonb_build_object('at', clock_timestamp() - interval '2 minutes')`
      await updateRows(sql, 'switches', { key: 'looked' }, { value })
    },
    async expectEachOnce() {
      const turns = () => sql<{ at: Date; status: string }[]>`
        select right(turn.idempotency_key, 24)::timestamptz as at, coalesce(before.status, turn.status) as status
          from viewkeeper.batches turn left join viewkeeper.batches before on before.id::text = turn.error ->> 'openBatchId'
         where turn.requested_by = '* * * * * UTC' order by at`
      let all: { at: Date; status: string }[] = []
      const said = () => `the turn of this minute has ended: ${JSON.stringify(all)}`
      const ended = await until(said, async () => {
        const now = await sql`select date_trunc('minute', clock_timestamp()) as minute`
        all = await turns()
        return (
          all.at(-1)?.at.getTime() === now[0]?.minute.getTime() && all.at(-1)?.status === 'success' && all
        )
      })
      const first = ended[0]!.at.getTime()
      expect(ended).toEqual(
        ended.map((_, turn) => ({ at: new Date(first + turn * 60_000), status: 'success' })),
      )
    },
  }
}
