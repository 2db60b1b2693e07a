import type { ViewList } from '../../../src/edge/http/schemas/answers.ts'
import { resumeAll } from '../live/actions.ts'
import { Button } from '../parts/button.tsx'
import { When } from '../parts/when.tsx'

/** Says that everything scheduled is paused, since when and by whom. */
export const AllPaused = ({ paused }: { paused: NonNullable<ViewList['paused']> }) => (
  <div class="strip strip-held">
    <p>
      <strong>Everything scheduled is paused</strong>, <When at={paused.since} /> by {paused.by}. Views are
      refreshed only by hand.
    </p>
    <Button does={resumeAll}>Resume all</Button>
  </div>
)
