import type { ViewDetails } from '../../../src/edge/http/schemas/answers.ts'
import { Sql } from '../parts/sql.tsx'

/** The SQL of a view and its indexes. */
export const Definition = ({ view: { sql, indexes } }: { view: ViewDetails }) => (
  <section aria-labelledby="definition">
    <h2 id="definition">Definition</h2>
    {sql === null ? (
      <p class="none">A running refresh keeps the definition from being read.</p>
    ) : (
      <Sql text={sql} of="the definition" />
    )}
    <h3>Indexes</h3>
    {indexes.length === 0 && <p class="none">none</p>}
    {indexes.map(({ name, definition, unique }) => (
      <Sql key={name} text={definition ?? `${name}${unique ? ' (unique)' : ''}`} of={`index ${name}`} />
    ))}
  </section>
)
