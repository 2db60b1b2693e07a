import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { Column } from '../parts/column.tsx'
import { ViewRow } from './view-row.tsx'

interface Options {
  views: View[]
  /** The views of the whole list, which may go on below what is drawn. */
  all: View[]
  chosen: ReadonlySet<string>
  choose: (views: View[], on: boolean) => void
}

/** The views as a table; on a narrow screen each row is a card. The roles keep it a table there. */
export function ViewTable({ views, all, chosen, choose }: Options) {
  const every = all.every(({ view }) => chosen.has(view))
  return (
    <table class="views" role="table">
      <thead role="rowgroup">
        <tr role="row">
          <Column class="pick">
            <input
              type="checkbox"
              aria-label="Choose all of these views"
              checked={every}
              onChange={() => choose(all, !every)}
            />
          </Column>
          <Column>View</Column>
          <Column>State</Column>
          <Column>Age and limit</Column>
          <Column>Last run</Column>
          <Column class="number">Rows</Column>
          <Column class="number">Size</Column>
          <Column>Next run</Column>
          <Column>
            <span class="unseen">Refresh</span>
          </Column>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {views.map((view) => (
          <ViewRow key={view.view} view={view} chosen={chosen.has(view.view)} choose={choose} />
        ))}
      </tbody>
    </table>
  )
}
