import assert from 'node:assert/strict'
import { earlier, updateRows } from '../support/record/rows.ts'
import type { Deployed } from './support/deployed.ts'
import { stage } from './support/transcript.ts'

/** Dates the batch that was skipped in the pause, and a failed run, a year back, and lets `prune` remove them. */
export async function pruneHistory({ aws, sql, functions }: Deployed): Promise<void> {
  const batches = await sql`
    select id from viewkeeper.batches where status = 'skipped' and error ->> 'class' = 'Paused'`
  await earlier(sql, 'batches', { id: batches.map(({ id }) => id) }, '1 year', 'finishedAt')
  // A view's last failure is kept, but for a view that nobody knows any more.
  const share = { view: 'share', status: 'failed' }
  await earlier(sql, 'runs', share, '1 year', 'finishedAt')
  await updateRows(sql, 'runs', share, { definitionId: null })
  const prune = async () => {
    const before = await count()
    const answer = await aws.invoke(functions.prune)
    assert.deepEqual(answer, { runs: 1, batches: batches.length, done: true })
    const after = await count()
    assert.deepEqual(after, { runs: before.runs - 1, batches: before.batches - batches.length })
    return answer
  }
  const count = async () => {
    const [counted] = await sql`
      select (select count(*) from viewkeeper.runs)::integer as runs,
             (select count(*) from viewkeeper.batches)::integer as batches`
    return { ...counted } as { runs: number; batches: number }
  }
  assert.ok(batches.length > 0)
  await stage('prune removes what is old, and nothing else', prune, (answer) => JSON.stringify(answer))
}
