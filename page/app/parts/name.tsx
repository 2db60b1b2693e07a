import { hashOf } from '../address/address.ts'
import { schemaAndName } from '../words/schema-and-name.ts'

/** The name of a view; its schema is paler, because the eye looks for the rest. */
export function Name({ view }: { view: string }) {
  const [schema, name] = schemaAndName(view)
  return (
    <span class="name">
      <span class="schema">{schema}</span>
      {name}
    </span>
  )
}

/** A view's name that leads to its page. */
export const ViewLink = ({ view }: { view: string }) => (
  <a href={hashOf('view', view)}>
    <Name view={view} />
  </a>
)
