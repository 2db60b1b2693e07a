import { expect, test } from 'vitest'
import { readBatchRuns } from '../../../src/record/batches/attempts.ts'
import { readOpenGroups } from '../../../src/record/batches/batch-groups.ts'
import { groupsByMember, waitsFor } from '../../../src/run/plan/turn.ts'
import { runStatuses } from '../../../src/words/run.ts'
import { insertRow, insertRows, updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { sql } = useDatabase()

test('the server and the advancer say the same of whose turn it is, for every end of the view that is read', async () => {
  const said: Record<string, boolean> = {}
  for (const group of ['none', 'of both', 'of another', 'given up'])
    for (const status of ['none', ...runStatuses])
      for (const error of [null, { class: 'UpstreamFailed', message: '' }]) {
        const hasError = ['failed', 'canceled', ...(error === null ? [] : ['skipped'])].includes(status)
        if (hasError !== (error !== null)) continue
        const { id: batchId } = await insertRow(sql, 'batches', { selection: [Math.random()] })
        const views = ['parent', 'child', 'other'].map((role) => ({ view: `${role}_${batchId}` }))
        const ids = (await insertRows(sql, 'definitions', views)).map(({ id }) => id)
        const [parent, child, other] = ids as [number, number, number]
        const [ofParent, ofChild] = views.map((view) => ({ ...view, batchId }))
        await insertRow(sql, 'batchViews', ofParent!)
        await insertRow(sql, 'batchViews', { ...ofChild, parents: [parent] })
        const members = [child, group === 'of another' ? other : parent]
        const givenUp = group === 'given up' ? {} : null
        if (group !== 'none')
          await insertRow(sql, 'batchGroups', {
            batchId,
            number: 1,
            members,
            givenUp,
            shadowBytes: 0,
            facts: {},
          })
        const now = new Date()
        const finishedAt = ['pending', 'running', 'built'].includes(status) ? null : now
        const work = { builtAt: now, startedAt: now, backendPid: 1, backendStart: now }
        if (status !== 'none')
          await insertRow(sql, 'runs', { ...ofParent, ...work, status, error, finishedAt })
        const run = await insertRow(sql, 'runs', ofChild!)
        const latest = new Map(
          (await readBatchRuns(sql, batchId)).map((run) => [run.definitionId, run] as const),
        )
        const groups = groupsByMember(await readOpenGroups(sql, batchId))
        const [server] = await sql<[{ waits: boolean }]>`
          select not viewkeeper.has_turn(${run.id}) as waits`
        const waits = waitsFor({ id: child, parents: [parent] }, latest, groups).length > 0
        const name = `${group}, ${status}${error === null ? '' : ` by ${error.class}`}`
        expect({ name, waits }).toEqual({ name, waits: server.waits })
        said[name] = waits
        await updateRows(sql, 'runs', { batchId }, { status: 'canceled', error: {}, finishedAt: now })
      }
  expect(Object.keys(said).filter((name) => !said[name])).toEqual([
    'none, success',
    'none, skipped',
    'of both, built',
    'of both, success',
    'of both, skipped',
    'of another, success',
    'of another, skipped',
    'given up, success',
    'given up, skipped',
  ])
})
