import type { Batch } from '../../../src/edge/http/schemas/answers.ts'
import { duration } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import { Column } from '../parts/column.tsx'
import { Badge } from '../parts/mark.tsx'
import { When } from '../parts/when.tsx'
import { signOfRun } from '../words/sign.ts'
import { askedFor } from './batch-words.ts'

/** Batches as a table. The bars compare their lengths. */
export function BatchTable({ batches }: { batches: Batch[] }) {
  const longest = Math.max(1, ...batches.map(({ elapsedMs }) => elapsedMs ?? 0))
  return (
    <table class="batches" role="table">
      <thead role="rowgroup">
        <tr role="row">
          <Column>Batch</Column>
          <Column>Status</Column>
          <Column>Views</Column>
          <Column>Asked</Column>
          <Column>By</Column>
          <Column>Duration</Column>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {batches.map((batch) => (
          <tr role="row" key={batch.id}>
            <th role="rowheader" scope="row" class="of-id">
              <a href={hashOf('batch', batch.id)}>{batch.id}</a>
            </th>
            <td role="cell" class="of-status">
              <Badge sign={signOfRun(batch.status)} />
            </td>
            <td role="cell" class="of-asked">
              {askedFor(batch)}
              {batch.error && <small class="tone-bad">{batch.error.message}</small>}
            </td>
            <td role="cell" class="of-time">
              <When at={batch.requestedAt} />
            </td>
            <td role="cell" class="of-by pale">
              {batch.requestedBy} ({batch.trigger})
            </td>
            <td role="cell" class="of-duration">
              {batch.elapsedMs === null ? (
                <span class="none">–</span>
              ) : (
                <>
                  {duration(batch.elapsedMs)}
                  <span class="bar" aria-hidden="true">
                    <span
                      class={`fill fill-${signOfRun(batch.status).tone}`}
                      style={{ width: `${(batch.elapsedMs / longest) * 100}%` }}
                    />
                  </span>
                </>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
