import type { ViewDetails } from '../../../src/edge/http/schemas/answers.ts'
import { bytes, duration } from '../../../src/plan/words.ts'
import { Age } from '../parts/age.tsx'
import { Facts } from '../parts/facts.tsx'
import { When } from '../parts/when.tsx'

/** The numbers of a view. */
export const ViewFacts = ({ view }: { view: ViewDetails }) => (
  <section aria-labelledby="facts">
    <h2 id="facts">Facts</h2>
    <Facts
      facts={{
        'Age and limit': <Age of={view} />,
        'Last success': <When at={view.lastSuccessAt} none="none" />,
        'Next run': <When at={view.nextRun} none="not scheduled" />,
        Schedule: view.schedule ? (
          <>
            <code>{view.schedule}</code> {view.timeZone}
          </>
        ) : view.nextBy === 'nightly' ? (
          'the nightly batch'
        ) : (
          'none of its own'
        ),
        'Last duration': view.lastRun?.durationMs != null ? duration(view.lastRun.durationMs) : '–',
        Rows: view.estimatedRows?.toLocaleString('en') ?? '–',
        Size: view.sizeBytes === null ? '–' : bytes(view.sizeBytes),
        Strategy: view.strategy,
        Source: view.source,
        Owner: view.owner ?? '–',
      }}
    />
  </section>
)
