import type { View, ViewDetails } from '../../../src/api/answers.ts'
import { pictured } from '../../../src/resources/sign.ts'
import { hashOf } from '../address/address.ts'
import { Mark } from '../parts/mark.tsx'
import { ViewLink } from '../parts/name.tsx'

/** What a view reads and what reads it, each with its sign. */
export function Neighbours({ view, known }: { view: ViewDetails; known: View[] | undefined }) {
  const byName = new Map(known?.map((each) => [each.view, each]))
  const list = (title: string, views: string[], none: string) => (
    <div>
      <h3>
        {title} {views.length > 0 && <span class="count">{views.length}</span>}
      </h3>
      {views.length === 0 && <p class="none">{none}</p>}
      <ul class="neighbours">
        {views.map((name) => {
          const sign = byName.has(name) ? pictured(byName.get(name)!) : undefined
          return (
            <li key={name}>
              {sign && <Mark sign={sign} />}
              <ViewLink view={name} />
              {sign && <span class={`pale tone-${sign.tone}`}>{sign.word}</span>}
            </li>
          )
        })}
      </ul>
    </div>
  )
  const alone = view.dependsOn.length + view.neededBy.length === 0
  return (
    <section class="card" aria-labelledby="neighbours">
      <h2 id="neighbours">
        Graph {!alone && <a href={hashOf('graph', '', { view: view.view })}>as a picture</a>}
      </h2>
      <div class="pair">
        {list('Reads', view.dependsOn, 'no other materialized view')}
        {list('Read by', view.neededBy, 'no other materialized view')}
      </div>
    </section>
  )
}
