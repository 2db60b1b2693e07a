import type { View, ViewDetails } from '../../../src/edge/http/schemas/answers.ts'
import { isOpen, signOfRun } from '../../../src/resources/sign.ts'
import { stateCell } from '../../../src/resources/views.ts'
import { ActionsOfView } from '../actions/actions-of-view.tsx'
import type { Place } from '../address/address.ts'
import { viewPath } from '../api/paths.ts'
import { useGet } from '../live/use-live.ts'
import { useViews } from '../live/views.ts'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { Badge } from '../parts/mark.tsx'
import { Name } from '../parts/name.tsx'
import { Told } from '../parts/told.tsx'
import { Definition } from './definition.tsx'
import { Neighbours } from './neighbours.tsx'
import { Plots } from './plots.tsx'
import { Runs } from './runs-of-view.tsx'
import { useRuns } from './use-runs.ts'
import { ViewActions } from './view-actions.tsx'
import { ViewFacts } from './view-facts.tsx'
import { WhyPanel } from './why-panel.tsx'

/** `#/views/<view>`: one view, why it is as it is, and what can be done with it. */
export function ViewPage({ place: { subject } }: { place: Place }) {
  const known = useViews().data?.views
  const path = viewPath(known?.find(({ view }) => view === subject) ?? { view: subject })
  const live = useGet<ViewDetails>(path, isRunning)
  return (
    <>
      {live.data === undefined && <Heading title={subject} />}
      <Loading live={live}>{(view) => <OneView view={view} path={path} known={known} />}</Loading>
    </>
  )
}

const isRunning = ({ lastRun }: ViewDetails) => lastRun !== null && isOpen(lastRun.status)

function OneView({ view, path, known }: { view: ViewDetails; path: string; known: View[] | undefined }) {
  const running = isRunning(view)
  const runs = useRuns(view, running)
  return (
    <>
      <div class="head">
        <div>
          <Heading title={view.view}>
            <Name view={view.view} />
          </Heading>
          <p class="badges">
            <Told cell={stateCell(view, 'here')} />
            {view.lastRun && running && <Badge sign={signOfRun(view.lastRun.status)} />}
            {view.comment && <span class="pale">{view.comment}</span>}
          </p>
        </div>
        <ViewActions view={view} running={running} />
      </div>
      <WhyPanel path={path} running={running} />
      <div class="columns">
        <ViewFacts view={view} />
        <Plots runs={runs.runs} />
      </div>
      <Neighbours view={view} known={known} />
      <Definition view={view} />
      <Runs {...runs} />
      <ActionsOfView view={view.view} />
    </>
  )
}
