import { Stack } from 'aws-cdk-lib'
import { type IEventBus, type IRuleTarget, Rule } from 'aws-cdk-lib/aws-events'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct, type IConstruct } from 'constructs'
import type { FunctionName } from '../../src/api/functions.ts'
import { quoteIdentifier } from '../../src/sql/names.ts'
import { type EventType, eventSource } from '../../src/words/event.ts'
import { displayPart, parseName } from '../../src/words/names.ts'
import type { OnViewOptions, ViewkeeperAttributes } from '../interface.ts'
import { refuseProps } from '../props.ts'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

interface SendingProps {
  functions: Record<FunctionName, ViewkeeperFunction>
  /** The topics for people, and the same as JSON. */
  topics: Record<'mail' | 'notices', ITopic>
  /** Whether addresses of the environment subscribe to the mails. */
  isMailed: boolean
  /** The bus of the events; undefined: there are none. */
  bus: IEventBus | undefined
  /** Whether the monitor asks for what is due by target lags. */
  hasDue: boolean
}

/**
 * The way of messages to people, and of events to their bus. The network of the database has no way to SNS and EventBridge. So the
 * schedule calls `send`, outside, which asks `monitor`, inside, and sends what it is handed. It calls `start-batch` for what is due.
 */
export class Sending extends Construct {
  constructor(scope: Construct, id: string, { functions, topics, isMailed, bus, hasDue }: SendingProps) {
    super(scope, id)
    const { send, 'start-batch': startBatch } = functions
    send.lambda.addEnvironment('MAIL_TOPIC_ARN', topics.mail.topicArn)
    send.lambda.addEnvironment('NOTICES_TOPIC_ARN', topics.notices.topicArn)
    // The grant of a topic of the user's own includes its key.
    for (const topic of [topics.mail, topics.notices]) topic.grantPublish(send.lambda)
    send.lambda.addEnvironment('MAILED', String(isMailed))
    send.lambda.addToRolePolicy(
      new PolicyStatement({
        actions: ['sns:GetTopicAttributes'],
        resources: [topics.mail.topicArn, topics.notices.topicArn],
      }),
    )
    if (bus)
      send.lambda.addToRolePolicy(
        new PolicyStatement({
          actions: ['events:PutEvents'],
          resources: [bus.eventBusArn],
          // It cannot pretend to be another program.
          conditions: { StringEqualsIfExists: { 'events:source': eventSource } },
        }),
      )
    if (hasDue) {
      send.lambda.addEnvironment('START_BATCH_FUNCTION', startBatch.lambda.functionName)
      send.mayCall(startBatch)
    }
  }
}

/**
 * A rule on the bus of an environment, for its events of these types. It stands in `Events` of the environment, or in
 * `crossStackScope`.
 */
export function addRule(
  scope: Construct,
  id: string,
  types: readonly EventType[],
  { environmentName, eventBus }: Pick<ViewkeeperAttributes, 'environmentName' | 'eventBus'>,
  { views, target, eventPattern, crossStackScope, ...options }: OnViewOptions = {},
): Rule {
  if (eventBus === undefined)
    refuseProps(scope.node.path, [`events: is false, so there are none for the rule ${id}`])
  const place =
    crossStackScope ??
    (scope.node.tryFindChild('Events') as Construct | undefined) ??
    new Construct(scope, 'Events')
  const rule = new Rule(place, id, { ...options, eventBus })
  rule.addEventPattern({
    source: [eventSource],
    detailType: [...types],
    detail: { environment: [environmentName], ...(views && { view: views.flatMap(namesOf) }) },
  })
  rule.addEventPattern(eventPattern)
  const sending = crossStackScope
    ? undefined
    : scope.node.tryFindChild('Schedules')?.node.tryFindChild('send')
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
