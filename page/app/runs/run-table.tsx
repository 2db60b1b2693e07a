import { duration } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import type { Run } from '../api/types.ts'
import { Badge } from '../parts/mark.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { When } from '../parts/when.tsx'
import { standingOfRun } from '../words/standing.ts'
import { rowsOf } from './run-words.ts'

/** Runs as a table; with their views, if they are runs of several. */
export const RunTable = ({ runs, withViews = false }: { runs: Run[]; withViews?: boolean }) => (
  <table class={`runs ${withViews ? 'with-views' : ''}`} role="table">
    <thead role="rowgroup">
      <tr role="row">
        <th role="columnheader" scope="col">
          Run
        </th>
        <th role="columnheader" scope="col">
          Status
        </th>
        {withViews && (
          <th role="columnheader" scope="col">
            View
          </th>
        )}
        <th role="columnheader" scope="col">
          Asked
        </th>
        <th role="columnheader" scope="col" class="number">
          Duration
        </th>
        <th role="columnheader" scope="col" class="number">
          Rows
        </th>
        <th role="columnheader" scope="col">
          By
        </th>
        <th role="columnheader" scope="col">
          What came of it
        </th>
      </tr>
    </thead>
    <tbody role="rowgroup">
      {runs.map((run) => (
        <tr role="row" key={run.id}>
          <th role="rowheader" scope="row" class="of-id">
            <a href={hashOf('run', run.id)}>{run.id}</a>
          </th>
          <td role="cell" class="of-status">
            <Badge standing={standingOfRun(run.status)} />
          </td>
          {withViews && (
            <td role="cell" class="of-view">
              <ViewLink view={run.view} />
            </td>
          )}
          <td role="cell" class="of-time">
            <When at={run.requestedAt} />
          </td>
          <td role="cell" class="number of-duration">
            {run.durationMs === null ? <span class="none">–</span> : duration(run.durationMs)}
          </td>
          <td role="cell" class="number of-rows">
            {rowsOf(run) || <span class="none">–</span>}
          </td>
          <td role="cell" class="of-by pale">
            {run.batchId ? <a href={hashOf('batch', run.batchId)}>batch</a> : run.trigger}
            {run.attempt > 1 && `, attempt ${run.attempt}`}
          </td>
          <td role="cell" class="of-result">
            <Outcome run={run} />
          </td>
        </tr>
      ))}
    </tbody>
  </table>
)

function Outcome({ run: { error, operation, result } }: { run: Run }) {
  if (error)
    return (
      <>
        <b class="code">{error.class}</b> {error.message}
      </>
    )
  const { strategy, because } = result.response
  return (
    <span class="pale" title={because}>
      {operation !== 'refresh' && `${operation} `}
      {strategy ?? because}
    </span>
  )
}
