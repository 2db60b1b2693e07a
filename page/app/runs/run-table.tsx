import type { Run } from '../../../src/edge/http/schemas/answers.ts'
import { duration } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import { Column } from '../parts/column.tsx'
import { Badge } from '../parts/mark.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { When } from '../parts/when.tsx'
import { signOfRun } from '../words/sign.ts'
import { rowsOf } from './run-words.ts'

/** Runs as a table; with their views, if they are runs of several. */
export const RunTable = ({ runs, withViews = false }: { runs: Run[]; withViews?: boolean }) => (
  <table class={`runs ${withViews ? 'with-views' : ''}`} role="table">
    <thead role="rowgroup">
      <tr role="row">
        <Column>Run</Column>
        <Column>Status</Column>
        {withViews && <Column>View</Column>}
        <Column>Asked</Column>
        <Column class="number">Duration</Column>
        <Column class="number">Rows</Column>
        <Column>By</Column>
        <Column>What came of it</Column>
      </tr>
    </thead>
    <tbody role="rowgroup">
      {runs.map((run) => (
        <tr role="row" key={run.id}>
          <th role="rowheader" scope="row" class="of-id">
            <a href={hashOf('run', run.id)}>{run.id}</a>
          </th>
          <td role="cell" class="of-status">
            <Badge sign={signOfRun(run.status)} />
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
