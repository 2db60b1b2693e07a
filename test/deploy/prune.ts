import assert from 'node:assert/strict'
import type { Deployed } from './support/deployed.ts'
import { stage } from './support/transcript.ts'

/** Dates the batch that was skipped in the pause, and a failed run, a year back, and lets `prune` remove them. */
export async function pruneHistory({ aws, sql, functions }: Deployed): Promise<void> {
  const batches = await sql`
    update viewkeeper.batches set finished_at = finished_at - interval '1 year'
     where status = 'skipped' and error ->> 'class' = 'Paused' returning id`
  // A view's last failure is kept, but for a view that nobody knows any more.
  const runs = await sql`
    update viewkeeper.runs set finished_at = finished_at - interval '1 year', definition_id = null
     where status = 'failed' and schema_name = 'public' and view_name = 'share' returning id`
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
  assert.equal(runs.length, 1)
  await stage('prune removes what is old, and nothing else', prune, (answer) => JSON.stringify(answer))
}
