import type { View, ViewDetails } from '../../../src/api/answers.ts'
import { isOpen, signOfRun } from '../../../src/resources/sign.ts'
import { stateCell, viewFacts } from '../../../src/resources/views.ts'
import { ActionsOfView } from '../actions/actions-of-view.tsx'
import type { Place } from '../address/address.ts'
import { now } from '../api/connection.ts'
import { viewPath } from '../api/paths.ts'
import { useGet } from '../live/use-live.ts'
import { useViews } from '../live/views.ts'
import { Button } from '../parts/button.tsx'
import { useGrowing } from '../parts/growing.tsx'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { Badge } from '../parts/mark.tsx'
import { Name } from '../parts/name.tsx'
import { Sql } from '../parts/sql.tsx'
import { Facts, Told } from '../parts/told.tsx'
import { Trouble } from '../parts/trouble.tsx'
import { RunTable } from '../runs/run-table.tsx'
import { Neighbours } from './neighbours.tsx'
import { Plots } from './plots.tsx'
import { type LoadedRuns, useRuns } from './use-runs.ts'
import { ViewActions } from './view-actions.tsx'
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

/** The numbers of a view. */
const ViewFacts = ({ view }: { view: ViewDetails }) => (
  <section aria-labelledby="facts">
    <h2 id="facts">Facts</h2>
    <Facts facts={[['age and limit', { age: view }], ...viewFacts(view, new Date(now()))]} />
  </section>
)

/** The SQL of a view and its indexes. */
const Definition = ({ view: { sql, indexes } }: { view: ViewDetails }) => (
  <section aria-labelledby="definition">
    <h2 id="definition">Definition</h2>
    {sql === null ? (
      <p class="none">A running refresh keeps the definition from being read.</p>
    ) : (
      <Sql text={sql} of="the definition" />
    )}
    <h3>Indexes</h3>
    {indexes.length === 0 && <p class="none">none</p>}
    {indexes.map(({ name, definition, unique }) => (
      <Sql key={name} text={definition ?? `${name}${unique ? ' (unique)' : ''}`} of={`index ${name}`} />
    ))}
  </section>
)

/** The runs of a view, newest first. */
function Runs({ runs, problem, loadOlder }: LoadedRuns) {
  const { shown, more } = useGrowing(runs, 'runs')
  return (
    <section aria-labelledby="runs">
      <h2 id="runs">
        Runs <span class="count">{runs.length.toLocaleString('en')}</span>
      </h2>
      {problem && <Trouble problem={problem} />}
      {runs.length === 0 ? <p class="empty">No run of this view is on record.</p> : <RunTable runs={shown} />}
      {more || (loadOlder && <Button does={loadOlder}>Load older runs</Button>)}
    </section>
  )
}
