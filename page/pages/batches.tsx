import type { Batch } from '../../src/api/answers.ts'
import { type Api, ask } from '../../src/api/ask.ts'
import { batchColumns } from '../../src/resources/batches.ts'
import { isOpen, signOfRun } from '../../src/resources/sign.ts'
import { duration } from '../../src/sql/words.ts'
import { hrefOf, type Query } from '../address.ts'
import { Bar, Listed, Table } from '../cells.tsx'
import { Head, type Shown } from '../frame.tsx'

/** `/page/batches`: the batches, newest first. The bars compare their lengths. */
export async function batchesPage(api: Api, { query }: { query: Query }): Promise<Shown> {
  const { batches, next } = await ask(api, 'listBatches', { query: { cursor: query.before, limit: 50 } })
  const longest = Math.max(1, ...batches.map(({ elapsedMs }) => elapsedMs ?? 0))
  const took = ({ elapsedMs, status }: Batch) =>
    elapsedMs === null ? (
      <span class="none">–</span>
    ) : (
      <>
        {duration(elapsedMs)}
        <Bar part={elapsedMs / longest} tone={signOfRun(status).tone} />
      </>
    )
  return {
    title: 'Batches',
    busy: batches.some(({ status }) => isOpen(status)),
    main: (
      <>
        <Head title="Batches" />
        <Listed
          none="No batch is on record. Refresh all, or several views, on the page of the views."
          noun="batches"
          empty={batches.length === 0}
          older={next && hrefOf('batches', '', { before: next })}
        >
          <Table
            of="batches"
            described={batchColumns}
            columns={[
              ...['id', 'status', 'asked', 'result', 'time', 'by'],
              { name: 'duration', title: 'Took', cell: took },
            ]}
            rows={batches}
            keyOf={({ id }) => id}
          />
        </Listed>
      </>
    ),
  }
}
