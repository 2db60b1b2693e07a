import { hashOf } from '../address/address.ts'
import { Name } from './name.tsx'

/** A view's name that leads to its page. */
export const ViewLink = ({ view }: { view: string }) => (
  <a href={hashOf('view', view)}>
    <Name view={view} />
  </a>
)
