import { useState } from 'preact/hooks'
import type { ViewList } from '../../../src/api/answers.ts'
import { allPausedMeans } from '../../../src/resources/views.ts'
import { lagLine, unsaid } from '../../../src/sql/replicas.ts'
import { failingText } from '../../../src/watch/plan/channels.ts'
import { resumeAll } from '../live/actions.ts'
import { Button } from '../parts/button.tsx'
import { utc, When } from '../parts/when.tsx'

/** Says which channels do not take their messages, what nothing refreshes, and that nobody is told. */
export const Loud = ({ failing = [], silence }: Pick<ViewList, 'failing' | 'silence'>) =>
  [...failing.map((each) => failingText(each, utc(each.since))), ...(silence?.lines ?? [])].map((line) => (
    <div key={line} class="strip strip-held">
      <p>{line}</p>
    </div>
  ))

/** Says that everything scheduled is paused, since when and by whom. */
export const AllPaused = ({ paused }: { paused: NonNullable<ViewList['paused']> }) => (
  <div class="strip strip-held">
    <p>
      <strong>Everything scheduled is paused</strong>, <When at={paused.since} /> by {paused.by}
      {paused.until != null && `, until ${utc(paused.until)}`}: {allPausedMeans}.
    </p>
    <Button does={resumeAll}>Resume all</Button>
  </div>
)

const noted = 'standbys-noted'

/** How far replicas lag behind; and once, until a person has noted it, what the environment should say about them. */
export function Standbys({ replicas }: { replicas: NonNullable<ViewList['replicas']> }) {
  const [isNoted, setNoted] = useState(localStorage.getItem(noted) !== null)
  const said = isNoted ? null : unsaid(replicas)
  const lag = lagLine(replicas)
  const note = async () => {
    localStorage.setItem(noted, 'yes')
    setNoted(true)
  }
  return (
    <>
      {said && (
        <div class="strip strip-held">
          <p>{said}</p>
          <Button does={note}>Noted</Button>
        </div>
      )}
      {lag && <p class="count">{lag}</p>}
    </>
  )
}
