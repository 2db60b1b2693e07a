import { usePlace } from '../address/use-place.ts'
import { get } from '../api/client.ts'
import { BatchPage } from '../batches/batch-page.tsx'
import { BatchesPage } from '../batches/batches-page.tsx'
import { GraphPage } from '../graph/graph-page.tsx'
import { useLive } from '../live/use-live.ts'
import { RunPage } from '../runs/run-page.tsx'
import { RunsPage } from '../runs/runs-page.tsx'
import { ViewPage } from '../view/view-page.tsx'
import { ViewsPage } from '../views/views-page.tsx'
import { Ask } from './ask.tsx'
import { Connection } from './connection.tsx'
import { Header, type Target } from './header.tsx'
import { Notices } from './notices.tsx'
import { UnknownPage } from './unknown-page.tsx'

const pages = {
  views: ViewsPage,
  view: ViewPage,
  graph: GraphPage,
  batches: BatchesPage,
  batch: BatchPage,
  runs: RunsPage,
  run: RunPage,
  unknown: UnknownPage,
}

/** The whole page. */
export function App() {
  const place = usePlace()
  const target = useLive('/page.json', (signal) => get<Target>('/page.json', signal)).data
  if (target) document.documentElement.dataset.target = `${target.environment ?? 'local'} · Viewkeeper`
  const Page = pages[place.page]
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to the content
      </button>
      <Header place={place} target={target} />
      <Connection />
      <main id="main" tabIndex={-1}>
        <Page key={`${place.page}/${place.subject}`} place={place} />
      </main>
      <Notices />
      <Ask />
    </>
  )
}

const skip = () => document.getElementById('main')?.focus()
