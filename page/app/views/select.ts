import type { View } from '../../../src/api/answers.ts'
import { type Filter, filters } from '../../../src/catalog/plan/state.ts'
import { inOrder } from '../../../src/resources/views.ts'

/** The views of a state whose names have all the words, in this order. Unknown states and orders change nothing. */
export function select(views: View[], { q = '', state = '', sort }: Record<string, string>): View[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = filters[state as Filter] ?? (() => true)
  const chosen = views.filter(
    (view) => fits(view) && words.every((word) => view.view.toLowerCase().includes(word)),
  )
  return inOrder(chosen, sort)
}
