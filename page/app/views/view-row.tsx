import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { stateOf } from '../../../src/plan/views/state.ts'
import { bytes, duration } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import { Age } from '../parts/age.tsx'
import { Badge } from '../parts/mark.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { When } from '../parts/when.tsx'
import { signOf, signOfRun } from '../words/sign.ts'

interface Options {
  view: View
  chosen: boolean
  choose: (views: View[], on: boolean) => void
}

/** One view of the list. */
export function ViewRow({ view, chosen, choose }: Options) {
  return (
    <tr role="row" class={chosen ? 'chosen' : undefined}>
      <td role="cell" class="pick">
        <input
          type="checkbox"
          aria-label={`Choose ${view.view}`}
          checked={chosen}
          onChange={() => choose([view], !chosen)}
        />
      </td>
      <th role="rowheader" scope="row" class="of-view">
        <ViewLink view={view.view} />
      </th>
      <td role="cell" class="of-state">
        <Badge sign={signOf(stateOf(view))} />
        {view.paused && <Badge sign={signOf('paused')} />}
      </td>
      <td role="cell" class="of-age">
        <Age of={view} />
      </td>
      <td role="cell" class="of-run">
        <LastRun run={view.lastRun} />
      </td>
      <td role="cell" class="number of-rows">
        {view.estimatedRows?.toLocaleString('en') ?? <span class="none">–</span>}
      </td>
      <td role="cell" class="number of-size">
        {view.sizeBytes === null ? <span class="none">–</span> : bytes(view.sizeBytes)}
      </td>
      <td role="cell" class="of-next">
        <When at={view.nextRun} none="not scheduled" />
      </td>
      <td role="cell" class="of-refresh">
        <RefreshButton view={view} label={`Refresh ${view.view}`} small />
      </td>
    </tr>
  )
}

function LastRun({ run }: { run: View['lastRun'] }) {
  if (run === null) return <span class="none">never run</span>
  return (
    <>
      <a class="plain" href={hashOf('run', run.id)} aria-label={`Run ${run.id}, ${run.status}`}>
        <Badge sign={signOfRun(run.status)} />
      </a>{' '}
      <span class="pale">
        <When at={run.requestedAt} />
        {run.durationMs !== null && <span class="took"> · {duration(run.durationMs)}</span>}
      </span>
    </>
  )
}
