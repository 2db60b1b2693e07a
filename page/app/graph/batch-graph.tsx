import type { BatchDetails, BatchView } from '../../../src/api/answers.ts'
import { signOfRun } from '../../../src/resources/sign.ts'
import { duration } from '../../../src/sql/words.ts'
import { Legend } from './legend.tsx'
import { Picture, type Pictured } from './picture.tsx'

/** The graph of a batch, coloured by how far each view is. */
export function BatchGraph({ batch }: { batch: BatchDetails }) {
  const views = batch.views.map(inBatch)
  return (
    <>
      <Legend signs={views.map(({ sign }) => sign)} />
      <Picture views={views} />
    </>
  )
}

/** How a view of a batch is shown in a picture. */
export function inBatch({ view, dependsOn, status, runs }: BatchView): Pictured {
  const elapsedMs = runs.at(-1)?.elapsedMs
  return {
    view,
    dependsOn,
    sign: signOfRun(status),
    note: elapsedMs == null ? '' : duration(elapsedMs),
  }
}
