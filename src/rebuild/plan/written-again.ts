import type { PlainReader } from '../../catalog/plan/live-view.ts'
import { treesHash } from '../../catalog/plan/tree.ts'
import { displayName, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { setting } from './locks.ts'
import { ownersSandboxed, withOptions } from './shadow.ts'

/** Notes what the plain views above mean, for `writeViewsAgain`. */
export const noteMeaning = (views: PlainReader[]): Statement[] =>
  views.length === 0
    ? []
    : [{ ...setting(noted, ''), sql: `select set_config('${noted}', (${hashOf(views)}), true)` }]

/** Points plain views to the new views, which they find by their names, and checks that those of `proved` mean what they have meant. */
export const writeViewsAgain = (views: PlainReader[], proved: PlainReader[]): Statement[] => [
  ...views.map((view) => ({
    ...parsed(
      view,
      `create or replace view ${quoteName(view)}${withOptions(view.options)} as ${view.definition.trim()}`,
    ),
    view: displayName(view),
  })),
  ...(proved.length === 0 ? [] : [meansTheSame(proved)]),
]

const meansTheSame = (views: PlainReader[]): Statement => ({
  phase: 'cut-over',
  kind: 'check',
  sql: `select ((${hashOf(views)}) = current_setting('${noted}'))::text`,
  check: {
    is: 'true',
    else: 'SwapImpossible',
    message: `A swap would change ${views.map((view) => `view ${displayName(view)}`).join(' or ')}. Use strategy "concurrent" or "regular".`,
  },
  hidden: true,
})

const noted = 'viewkeeper.meaning'

const hashOf = (views: PlainReader[]): string => treesHash(views.map(({ oid }) => oid))

const parsed = (view: PlainReader, sql: string): Statement => ({
  phase: 'cut-over',
  sql,
  ...ownersSandboxed({ view }),
  carries: `view ${displayName(view)}`,
})
