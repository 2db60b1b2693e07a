import { hashOf } from '../address/address.ts'
import { Heading } from '../parts/heading.tsx'

/** For an address that names no page. */
export const UnknownPage = () => (
  <>
    <Heading title="No such page" />
    <p>
      No page has the address <code>{location.hash}</code>. <a href={hashOf('views')}>All views</a>
    </p>
  </>
)
