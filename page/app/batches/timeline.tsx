import type { BatchDetails } from '../../../src/api/answers.ts'
import { lockOf } from '../../../src/resources/batches.ts'
import { timeText } from '../../../src/resources/run-facts.ts'
import { signOfRun } from '../../../src/resources/sign.ts'
import { duration, elapsed } from '../../../src/sql/words.ts'
import { hashOf } from '../address/address.ts'
import { useGrowing } from '../parts/growing.tsx'
import { Badge } from '../parts/mark.tsx'
import { ViewLink } from '../parts/name.tsx'
import { type Bar, type Row, timelineOf } from './timeline.ts'

/** The views of a batch over time, one bar for each run. */
export function BatchTimeline({ batch }: { batch: BatchDetails }) {
  const { rows, ticks, now } = timelineOf(batch)
  const { shown, more } = useGrowing(rows, 'views')
  return (
    <>
      <div class="timeline">
        <div class="axis" aria-hidden="true">
          {ticks.map(({ ms, from }) => (
            <span key={ms} style={at(from)}>
              {tick(ms)}
            </span>
          ))}
        </div>
        <ol>
          {shown.map((row) => (
            <TimelineRow key={row.view.view} row={row} now={now} locked={lockOf(batch, row.view.view)} />
          ))}
        </ol>
      </div>
      {more}
    </>
  )
}

/** `0.5 s`, `30 s`, `2 min`, `1 min 30 s` */
const tick = (ms: number) => (ms < 60_000 ? `${ms / 1000} s` : elapsed(ms).replace(/ 00 \w+$/, ''))

const at = (from: number, width?: number) => ({
  left: `${from * 100}%`,
  ...(width !== undefined && { width: `${width * 100}%` }),
})

interface TimelineRowProps {
  row: Row
  now: number | null
  locked: string | undefined
}

function TimelineRow({ row: { view, bars, expected }, now, locked }: TimelineRowProps) {
  const last = view.runs.at(-1)
  const waits = view.waitsFor.length > 0
  return (
    <li>
      <span class="of-view">
        <ViewLink view={view.view} />
      </span>
      <span class="of-status">
        <Badge sign={signOfRun(view.status)} />
      </span>
      <span class="lane">
        {now !== null && <span class="now" style={at(now)} />}
        {expected && <span class="expected" style={at(expected.from, expected.width)} />}
        {bars.map((bar) => (
          <RunBar key={bar.run.runId} bar={bar} view={view.view} />
        ))}
      </span>
      <span class="of-note pale">
        {last?.message ? (
          <>
            {last.class && <b class="code">{last.class}</b>} {last.message}
          </>
        ) : locked ? (
          `waits: ${locked}`
        ) : waits ? (
          `waits for ${view.waitsFor.join(', ')}`
        ) : last?.status === 'running' ? (
          `${last.phase ? `${last.phase} · ` : ''}${timeText(last.elapsedMs ?? 0, view.estimatedMs)}`
        ) : (
          last?.elapsedMs != null && `${duration(last.elapsedMs)}${view.includedBecause ? '; included' : ''}`
        )}
      </span>
    </li>
  )
}

function RunBar({ bar: { run, from, width }, view }: { bar: Bar; view: string }) {
  const { tone, word } = signOfRun(run.status)
  const time = duration(run.elapsedMs ?? 0)
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : ''
  return (
    <a
      class={`run-bar tone-${tone}`}
      style={at(from, width)}
      href={hashOf('run', run.runId)}
      title={`run ${run.runId}: ${word}, ${time}${attempt}`}
    >
      <span class="unseen">{`${view}${attempt}: run ${run.runId}, ${word}, ${time}`}</span>
    </a>
  )
}
