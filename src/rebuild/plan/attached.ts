import type { Attached, LiveView } from '../../catalog/plan/live-view.ts'
import { displayPart, literal, quoteIdentifier, quoteName, type ViewName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { ownersSandboxed } from './shadow.ts'

/**
 * The triggers of a plain view, on the view of the same name. Execute the statements as the view's owner. A trigger whose
 * state is not the usual one is left to the server, which refuses other states on views.
 */
export const buildTriggers = (live: LiveView): Statement[] => live.triggers.flatMap(building(live, 'trigger'))

/** The rules of a plain view, without its query, on the view of the same name. Execute as the view's owner. */
export const buildRules = (live: LiveView): Statement[] => live.rules.flatMap(building(live, 'rule'))

const building =
  (live: LiveView, kind: 'trigger' | 'rule') =>
  (each: Attached): Statement[] => {
    const view = quoteName(live.view)
    const carries = `${kind} ${displayPart(each.name)}`
    const statement = (sql: string): Statement => ({ kind: 'command', phase: 'building', sql, carries })
    return [
      { ...statement(each.definition), ...ownersSandboxed(live) },
      ...(each.enabled === 'O'
        ? []
        : [statement(`alter table ${view} ${states[each.enabled]} ${kind} ${quoteIdentifier(each.name)}`)]),
      ...(each.comment === null
        ? []
        : [statement(`comment on ${kind} ${onView(each, live.view)} is ${literal(each.comment)}`)]),
    ]
  }

/** Drops the rules of a plain view: they may read what is dropped before the view. Execute as the view's owner. */
export const dropRules = ({ rules, view }: LiveView): Statement[] =>
  rules.map(
    (rule): Statement => ({ kind: 'command', phase: 'cut-over', sql: `drop rule ${onView(rule, view)}` }),
  )

const onView = ({ name }: Attached, view: ViewName): string =>
  `${quoteIdentifier(name)} on ${quoteName(view)}`

const states: Record<string, string> = { D: 'disable', R: 'enable replica', A: 'enable always' }
