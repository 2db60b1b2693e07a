import { ActionsPage } from '../actions/actions-page.tsx'
import { BatchPage } from '../batches/batch-page.tsx'
import { BatchesPage } from '../batches/batches-page.tsx'
import { GraphPage } from '../graph/graph-page.tsx'
import { RunPage } from '../runs/run-page.tsx'
import { RunsPage } from '../runs/runs-page.tsx'

/** The pages that people seldom open first, in a script of their own. */
export const otherPages = {
  graph: GraphPage,
  batches: BatchesPage,
  batch: BatchPage,
  runs: RunsPage,
  run: RunPage,
  actions: ActionsPage,
}
