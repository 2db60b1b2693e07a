import type { View } from '../api/types.ts'
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
          <th role="columnheader" scope="col" class="pick">
            <input
              type="checkbox"
              aria-label="Choose all of these views"
              checked={every}
              onChange={() => choose(all, !every)}
            />
          </th>
          <th role="columnheader" scope="col">
            View
          </th>
          <th role="columnheader" scope="col">
            State
          </th>
          <th role="columnheader" scope="col">
            Age and limit
          </th>
          <th role="columnheader" scope="col">
            Last run
          </th>
          <th role="columnheader" scope="col" class="number">
            Rows
          </th>
          <th role="columnheader" scope="col" class="number">
            Size
          </th>
          <th role="columnheader" scope="col">
            Next run
          </th>
          <th role="columnheader" scope="col">
            <span class="unseen">Refresh</span>
          </th>
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
