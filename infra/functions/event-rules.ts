import { Stack } from 'aws-cdk-lib'
import { type IRuleTarget, type OnEventOptions, Rule } from 'aws-cdk-lib/aws-events'
import { Construct, type IConstruct } from 'constructs'
import { type EventType, eventSource } from '../../src/events/plan/event.ts'
import { displayPart, parseName, quoteIdentifier } from '../../src/sql/names.ts'
import { refuseProps } from '../environment/valid-options.ts'
import { busOf } from './sending.ts'

/** Which events of views a rule takes, and what it calls for each. */
export interface OnViewOptions extends OnEventOptions {
  /**
   * The views, as SQL writes them; a name without a schema is one of `public`.
   * @default - every view
   */
  views?: string[]
}

/**
 * A rule on the bus of an environment, for its events of these types. It stands in `Events` of the environment, or in
 * `crossStackScope`.
 */
export function addRule(
  scope: Construct,
  id: string,
  types: readonly EventType[],
  { environmentName, eventBus }: { environmentName: string; eventBus: string },
  { views, target, eventPattern, crossStackScope, ...options }: OnViewOptions = {},
): Rule {
  if (eventBus === 'none')
    refuseProps(scope.node.path, [`eventBus: is false, so there are no events for the rule ${id}`])
  const place =
    crossStackScope ??
    (scope.node.tryFindChild('Events') as Construct | undefined) ??
    new Construct(scope, 'Events')
  const rule = new Rule(place, id, { ...options, eventBus: busOf(place, `${id}Bus`, eventBus) })
  rule.addEventPattern({
    source: [eventSource],
    detailType: [...types],
    detail: { environment: [environmentName], ...(views && { view: views.flatMap(namesOf) }) },
  })
  rule.addEventPattern(eventPattern)
  const sending = crossStackScope ? undefined : scope.node.tryFindChild('Sending')
  sending?.node.addDependency(rule)
  rule.addTarget(target && sending ? boundBefore(sending, target) : target)
  return rule
}

/**
 * A target that is there, with the right to call it, before events are sent: what is sent earlier is lost to the rule, and what
 * waits is not. A target in another stack is left alone: that stack may need this one, and the app says which of them comes first.
 */
const boundBefore = (sending: IConstruct, target: IRuleTarget): IRuleTarget => ({
  bind(rule, id) {
    const bound = target.bind(rule, id)
    const resource = bound.targetResource
    if (resource && Stack.of(resource) === Stack.of(sending)) sending.node.addDependency(resource)
    return bound
  },
})

/** How the server may write a name: it quotes a name that is a keyword, too, and we have no list of keywords. */
function namesOf(view: string): string[] {
  const { schema, name } = parseName(view, 'views')
  const written = (part: string) => [...new Set([displayPart(part), quoteIdentifier(part)])]
  return written(schema ?? 'public').flatMap((first) => written(name).map((second) => `${first}.${second}`))
}
