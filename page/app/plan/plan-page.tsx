import type { Plan } from '../../../src/edge/http/schemas/answers.ts'
import { withFlags } from '../../../src/plan/commands.ts'
import { count, duration } from '../../../src/plan/words.ts'
import { getAll } from '../api/client.ts'
import { target } from '../api/target.ts'
import { useOnce } from '../live/use-once.ts'
import { Command } from '../parts/command.tsx'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { utc } from '../parts/when.tsx'
import { Hours } from './hours.tsx'

const loadPlan = (signal: AbortSignal) =>
  getAll<Plan>('/plan', (all, page) => ({ ...page, views: [...all.views, ...page.views] }), signal)

/** `#/plan`: the refreshes of the coming day, and which promises break. Foretold once, not again and again. */
export function PlanPage() {
  const plan = useOnce(loadPlan)
  return (
    <>
      <div class="head">
        <Heading title="Plan" />
      </div>
      <Loading live={plan}>{(data) => <Day {...data} />}</Loading>
      {['plan', 'recommend'].map((word) => (
        <p key={word}>
          <Command line={withFlags(`viewkeeper ${word}`, target.get()?.flags ?? '')} />
        </p>
      ))}
    </>
  )
}

function Day({ from, paused, hours, views }: Plan) {
  const broken = views.flatMap(({ view, broken }) => broken.map(({ text }) => ({ view, text })))
  const refreshes = hours.reduce((sum, hour) => sum + hour.refreshes, 0)
  const busyMs = hours.reduce((sum, hour) => sum + hour.busyMs, 0)
  return (
    <>
      <p class="sum">
        24 hours from {utc(from)}
        {paused && ', as if schedules were not paused'}: {count(refreshes, 'refresh', 'refreshes')},{' '}
        {duration(busyMs)} of work
      </p>
      {refreshes > 0 && <Hours hours={hours} />}
      {broken.length === 0 ? (
        <p>Every promise is kept, if refreshes take as long as usual.</p>
      ) : (
        <ul class="foretold" aria-label="Promises that break">
          {broken.map(({ view, text }) => (
            <li key={view + text}>
              <ViewLink view={view} /> <span class="tone-bad">{text}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
