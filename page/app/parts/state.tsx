import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { hashOf } from '../address/address.ts'
import { isTrouble, signOf } from '../words/sign.ts'
import { Badge } from './mark.tsx'
import { ViewLink } from './view-link.tsx'

interface Options {
  of: Pick<View, 'view' | 'state' | 'culprit'>
  /** Whether this is the page of the view, which says its causes. */
  here?: true
}

/** How a view stands. A trouble leads to its cause: to the page of the view itself, or of the view that it waits for. */
export function State({ of: { view, state, culprit }, here }: Options) {
  const sign = signOf(state)
  if (state === 'heldBack' && culprit !== null)
    return (
      <span class="state">
        <Badge sign={sign} word={`${sign.word} by`} /> <ViewLink view={culprit} />
      </span>
    )
  if (here || !isTrouble(sign)) return <Badge sign={sign} />
  return (
    <a class="plain" href={hashOf('view', view)} title="Why">
      <Badge sign={sign} />
    </a>
  )
}
