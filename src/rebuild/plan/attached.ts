import type { LiveView } from '../../catalog/plan/live-view.ts'
import { displayPart, literal, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { ownersSandboxed } from './shadow.ts'

/**
 * The triggers of a plain view, on the view of the same name. Execute the statements as the view's owner. A trigger whose
 * state is not the usual one is left to the server, which refuses other states on views.
 */
export const buildTriggers = (live: LiveView): Statement[] =>
  live.triggers.flatMap(({ name, definition, enabled, comment }) => {
    const [view, trigger] = [quoteName(live.view), quoteIdentifier(name)]
    const statement = (sql: string): Statement => ({
      kind: 'command',
      phase: 'building',
      sql,
      carries: `trigger ${displayPart(name)}`,
    })
    return [
      { ...statement(definition), ...ownersSandboxed(live) },
      ...(enabled === 'O' ? [] : [statement(`alter table ${view} ${states[enabled]} trigger ${trigger}`)]),
      ...(comment === null
        ? []
        : [statement(`comment on trigger ${trigger} on ${view} is ${literal(comment)}`)]),
    ]
  })

const states: Record<string, string> = { D: 'disable', R: 'enable replica', A: 'enable always' }
