import { expect, test } from 'vitest'
import { readBatchRuns } from '../../../src/record/batches/attempts.ts'
import { readOpenGroups } from '../../../src/record/batches/batch-groups.ts'
import { groupsByMember, waitsFor } from '../../../src/run/plan/turn.ts'
import { runStatuses } from '../../../src/words/run.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { sql } = useDatabase()

test('the server and the advancer say the same of whose turn it is, for every end of the view that is read', async () => {
  const said: Record<string, boolean> = {}
  for (const group of ['none', 'of both', 'of another', 'given up'])
    for (const status of ['none', ...runStatuses])
      for (const error of [null, { class: 'UpstreamFailed', message: '' }]) {
        const hasError = ['failed', 'canceled', ...(error === null ? [] : ['skipped'])].includes(status)
        if (hasError !== (error !== null)) continue
        const [batch] = await sql<[{ id: string }]>`
          insert into viewkeeper.batches (trigger, selection) values ('http', ${sql.json([Math.random()])}) returning id`
        const ids = await sql<{ id: number }[]>`
          insert into viewkeeper.definitions (schema_name, name, source)
          select 'public', gen_random_uuid(), 'discovered' from generate_series(1, 3) returning id`
        const [parent, child, other] = ids.map(({ id }) => id) as [number, number, number]
        await sql`
          insert into viewkeeper.batch_views (batch_id, definition_id, position, schema_name, view_name, parents, estimate_ms, remaining_ms)
          select ${batch.id}, d.id, 1, d.schema_name, d.name, case d.id when ${child} then array[${parent}::integer] else '{}' end, 1, 1
            from viewkeeper.definitions d where d.id in (${parent}, ${child})`
        if (group !== 'none')
          await sql`
            insert into viewkeeper.batch_groups (batch_id, number, members, shadow_bytes, facts, given_up)
            values (${batch.id}, 1, array[${child}, ${group === 'of another' ? other : parent}]::integer[], 0, '{}',
                    ${group === 'given up' ? sql.json({}) : null})`
        if (status !== 'none')
          await sql`
            insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, batch_id, status, error,
                                         built_at, finished_at, started_at, backend_pid, backend_start)
            values (${parent}, 'public', 'parent', 'refresh', 'batch', ${batch.id}, ${status}, ${error && sql.json(error)}, now(),
                    case when ${status} not in ('pending', 'running', 'built') then now() end, now(), 1, now())`
        const [run] = await sql<[{ id: number }]>`
          insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, batch_id)
          values (${child}, 'public', 'child', 'refresh', 'batch', ${batch.id}) returning id`
        const latest = new Map(
          (await readBatchRuns(sql, batch.id)).map((run) => [run.definitionId, run] as const),
        )
        const groups = groupsByMember(await readOpenGroups(sql, batch.id))
        const [server] = await sql<[{ waits: boolean }]>`
          select not viewkeeper.has_turn(${run.id}) as waits`
        const waits = waitsFor({ id: child, parents: [parent] }, latest, groups).length > 0
        const name = `${group}, ${status}${error === null ? '' : ` by ${error.class}`}`
        expect({ name, waits }).toEqual({ name, waits: server.waits })
        said[name] = waits
        await sql`update viewkeeper.runs set status = 'canceled', error = '{}', finished_at = now() where batch_id = ${batch.id}`
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
