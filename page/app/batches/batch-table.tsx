import type { Batch } from '../../../src/edge/http/schemas/answers.ts'
import { duration } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import { Badge } from '../parts/mark.tsx'
import { orDash, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import { signOfRun } from '../words/sign.ts'
import { askedFor } from './batch-words.ts'

/** Batches as a table. The bars compare their lengths. */
export function BatchTable({ batches }: { batches: Batch[] }) {
  const longest = Math.max(1, ...batches.map(({ elapsedMs }) => elapsedMs ?? 0))
  return (
    <Table
      class="batches"
      rows={batches}
      keyOf={({ id }) => id}
      columns={[
        {
          name: 'id',
          title: 'Batch',
          names: true,
          cell: ({ id }) => <a href={hashOf('batch', id)}>{id}</a>,
        },
        { name: 'status', title: 'Status', cell: ({ status }) => <Badge sign={signOfRun(status)} /> },
        {
          name: 'asked',
          title: 'Views',
          cell: (batch) => (
            <>
              {askedFor(batch)}
              {batch.error && <small class="tone-bad">{batch.error.message}</small>}
            </>
          ),
        },
        { name: 'time', title: 'Asked', cell: ({ requestedAt }) => <When at={requestedAt} /> },
        {
          name: 'by',
          title: 'By',
          class: 'pale',
          cell: ({ requestedBy, trigger }) => `${requestedBy} (${trigger})`,
        },
        {
          name: 'duration',
          title: 'Duration',
          cell: ({ elapsedMs, status }) =>
            orDash(elapsedMs !== null && <Length ms={elapsedMs} longest={longest} status={status} />),
        },
      ]}
    />
  )
}

const Length = ({ ms, longest, status }: { ms: number; longest: number; status: Batch['status'] }) => (
  <>
    {duration(ms)}
    <span class="bar" aria-hidden="true">
      <span class={`fill tone-${signOfRun(status).tone}`} style={{ width: `${(ms / longest) * 100}%` }} />
    </span>
  </>
)
