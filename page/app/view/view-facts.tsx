import type { ViewDetails } from '../../../src/edge/http/schemas/answers.ts'
import { heldBack } from '../../../src/plan/diagnosis/held-back.ts'
import { savedText } from '../../../src/plan/monitoring/saved.ts'
import { lastChecked } from '../../../src/plan/runs/made-checks.ts'
import { bytes, duration } from '../../../src/plan/words.ts'
import { Age } from '../parts/age.tsx'
import { Facts } from '../parts/facts.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { Due, When } from '../parts/when.tsx'
import { Checks } from '../runs/checks.tsx'

/** The numbers of a view. */
export function ViewFacts({ view }: { view: ViewDetails }) {
  const checked = lastChecked(view.recentRuns)
  const above = heldBack(view)
  return (
    <section aria-labelledby="facts">
      <h2 id="facts">Facts</h2>
      <Facts
        facts={{
          'Age and limit': <Age of={view} />,
          'As of':
            view.asOf === null && view.lastSuccessAt !== null ? (
              'nobody knows'
            ) : (
              <When at={view.asOf} none="none" />
            ),
          'Held back by': above && <ViewLink view={above} />,
          'Held back': view.checkFailedSince && (
            <>
              by a check <When at={view.checkFailedSince} none="" />
            </>
          ),
          'Last success': <When at={view.lastSuccessAt} none="none" />,
          'Next run': <Due at={view.nextRun} none="not scheduled" />,
          Schedule:
            view.promisedFor != null && view.promisedMs != null ? (
              <>
                at most {duration(view.promisedMs)} behind, for <ViewLink view={view.promisedFor} />
              </>
            ) : view.targetLagSeconds != null ? (
              `at most ${duration(view.targetLagSeconds * 1000)} behind${view.lagWorksSeconds == null ? '' : `, which cannot be kept: ${duration(view.lagWorksSeconds * 1000)} can`}`
            ) : view.schedule ? (
              <>
                <code>{view.schedule}</code> {view.timeZone}
              </>
            ) : view.nextBy === 'nightly' ? (
              'the nightly batch'
            ) : (
              'none of its own'
            ),
          Saved: savedText([view]),
          'Last duration': view.lastRun?.durationMs != null ? duration(view.lastRun.durationMs) : '–',
          Rows: view.estimatedRows?.toLocaleString('en') ?? '–',
          Checks: checked && <Checks of={checked} />,
          Size: view.sizeBytes === null ? '–' : bytes(view.sizeBytes),
          Strategy: view.strategy,
          Source: view.source,
          Owner: view.owner ?? '–',
        }}
      />
    </section>
  )
}
