import { beforeAll, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { problemOf, sqlstateOf } from '../../../src/server/failures.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, advanceToGate, begin } from '../../support/views/batches.ts'
import { makeGatedView, withGateClosed } from '../../support/views/slow-view.ts'
import { between } from '../../support/waiting/between.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

beforeAll(() =>
  sql.unsafe(`
    create table numbers as select 1 as n;
    create materialized view base as select n from numbers;
    create materialized view top as select n from base`),
)

/** As a person does: again, if the deletion was ended because it was part of a deadlock. */
const deleteDefinitions = (): Promise<unknown> =>
  deleteRows(sql, 'definitions').catch((error) => {
    if (sqlstateOf(error) !== '40P01') throw error
    return deleteDefinitions()
  })

/** Deletes all definitions: until that is done, or waits for what the work holds. */
async function deleteMeanwhile(): Promise<{ deletion: Promise<unknown> }> {
  let isOver = false
  const deletion = deleteDefinitions().finally(() => {
    isOver = true
  })
  await until('the deletion is over, or waits', async () => {
    if (isOver) return true
    const waits =
      await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'delete from %definitions%'`
    return waits.length
  })
  return { deletion }
}

/** Does work, and deletes all definitions before its statement `at`. Work that asks to be tried again is. */
async function deletedBefore(at: number, work: (database: Database) => Promise<unknown>): Promise<string> {
  let sent = 0
  let deletion: Promise<unknown> | undefined
  const interrupted = between(database, async () => {
    if (++sent === at) ({ deletion } = await deleteMeanwhile())
  })
  try {
    await work(interrupted)
    return 'done'
  } catch (error) {
    // The server ends either side of a deadlock, this work or the deletion.
    expect(problemOf(error)).toMatchObject({
      code: expect.stringMatching(/^(CatalogChanged|Deadlock)$/),
      message: expect.stringMatching(
        /Somebody has deleted the definition of a view.*: try again\.$|^deadlock detected/,
      ),
    })
    await work(database)
    return 'tried again'
  } finally {
    await deletion
    expect(sent).toBeGreaterThanOrEqual(at)
  }
}

let batchId: string

/** Work, and the statements before which all definitions are deleted: soon, while it is planned, and late. */
eachCase<[string, number[], (database: Database) => Promise<unknown>]>(
  [
    [
      'a scheduled refresh',
      [5, 7],
      (on) => refresh({ view: 'base', strategy: 'regular' }, callOn(on, { trigger: 'schedule' })),
    ],
    ['a refresh of a group', [6, 8, 10], (on) => refresh({ view: 'base', strategy: 'swap' }, callOn(on))],
    [
      'a drop',
      [6, 8],
      async (on) => {
        await sql`create materialized view if not exists extra as select 1 as x`
        return drop({ view: 'extra' }, callOn(on))
      },
    ],
    [
      'the start of a batch',
      [3, 6],
      async (on) => {
        batchId = (await startBatch({ all: true }, callOn(on))).batchId
        await advanceToEnd(database, batchId)
      },
    ],
    [
      'a batch',
      [4, 20, 30],
      async (on) => {
        if (on !== database) batchId = (await startBatch({ all: true }, callOn(database))).batchId
        await advanceToEnd(on, batchId)
      },
    ],
  ],
  { quick: 1 },
)('%s comes to its end, if all definitions are deleted meanwhile', async (_, moments, work) => {
  const ends: string[] = []
  for (const at of moments) ends.push(await deletedBefore(at, work))
  expect(ends).toContain('tried again')
  expect(await sql`select from viewkeeper.batches where status in ('pending', 'running')`).toEqual([])
  expect(await sql`select from viewkeeper.runs where status in ('pending', 'built', 'running')`).toEqual([])
})

test(
  'a batch has not ended while the server refreshes a view whose definition was deleted',
  deep,
  async () => {
    await makeGatedView(sql, 'slow')
    await withGateClosed(sql, 'slow', async (open) => {
      const id = await begin(database, { views: ['slow'] })
      await advanceToGate(database, sql, id, 'slow')
      await deleteDefinitions()
      expect(await advance(id, { database, until: Date.now() + 1_000 })).toMatchObject({ done: false })
      await open()
      expect(await advanceToEnd(database, id)).toMatchObject({ status: 'success' })
      const [run] = await sql`
      select r.status, r.finished_at <= b.finished_at as before from viewkeeper.runs r
        join viewkeeper.batches b on b.id = r.batch_id where b.id = ${id}`
      expect(run).toEqual({ status: 'success', before: true })
    })
  },
)
