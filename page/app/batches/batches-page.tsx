import type { Batch } from '../../../src/api/answers.ts'
import { batchColumns } from '../../../src/resources/batches.ts'
import { signOfRun } from '../../../src/resources/sign.ts'
import { duration } from '../../../src/sql/words.ts'
import { hashOf, type Place } from '../address/address.ts'
import { withQuery } from '../api/paths.ts'
import { useBatches } from '../live/batches.ts'
import { Heading } from '../parts/heading.tsx'
import { Listed } from '../parts/listed.tsx'
import { Loading } from '../parts/loading.tsx'
import { orDash, Table } from '../parts/table.tsx'
import { columnsOf } from '../parts/told.tsx'

/** `#/batches`: the batches, newest first. */
export const BatchesPage = ({ place: { query } }: { place: Place }) => (
  <>
    <div class="head">
      <Heading title="Batches" />
    </div>
    <Loading live={useBatches(withQuery('/batches', { cursor: query.before, limit: 50 }))}>
      {({ batches, next }) => (
        <Listed
          none="No batch is on record. Refresh all, or several views, on the page of the views."
          noun="batches"
          older={next && hashOf('batches', '', { before: next })}
        >
          {batches.length > 0 && <BatchTable batches={batches} />}
        </Listed>
      )}
    </Loading>
  </>
)

const columns = columnsOf(batchColumns, ['id', 'status', 'asked', 'result', 'time', 'by'])

/** Batches as a table. The bars compare their lengths. */
function BatchTable({ batches }: { batches: Batch[] }) {
  const longest = Math.max(1, ...batches.map(({ elapsedMs }) => elapsedMs ?? 0))
  return (
    <Table
      class="batches"
      rows={batches}
      keyOf={({ id }) => id}
      columns={[
        ...columns,
        {
          name: 'duration',
          title: 'Took',
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
