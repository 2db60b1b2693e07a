import type { ViewDetails } from '../../../src/edge/http/schemas/answers.ts'
import { viewFacts } from '../../../src/resources/views.ts'
import { now } from '../api/connection.ts'
import { Facts } from '../parts/told.tsx'

/** The numbers of a view. */
export const ViewFacts = ({ view }: { view: ViewDetails }) => (
  <section aria-labelledby="facts">
    <h2 id="facts">Facts</h2>
    <Facts facts={[['age and limit', { age: view }], ...viewFacts(view, new Date(now()))]} />
  </section>
)
