import { CfnParameter, Reference, Stack, Token, Tokenization } from 'aws-cdk-lib'
import { EventBus, type IEventBus, type IRuleTarget, type OnEventOptions, Rule } from 'aws-cdk-lib/aws-events'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct, type IConstruct } from 'constructs'
import type { FunctionName } from '../../src/api/functions.ts'
import { quoteIdentifier } from '../../src/sql/names.ts'
import { type EventType, eventSource } from '../../src/words/event.ts'
import { displayPart, parseName } from '../../src/words/names.ts'
import { refuseProps } from '../props.ts'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

interface SendingProps {
  functions: Record<FunctionName, ViewkeeperFunction>
  /** The topics for people, and the same as JSON. */
  topics: Record<'mail' | 'notices', ITopic>
  /** Whether addresses of the environment subscribe to the mails. */
  isMailed: boolean
  /** The name or the ARN of the bus; false: there are no events. */
  eventBus: string | false
  /** Whether the monitor asks for what is due by target lags. */
  hasDue: boolean
}

/**
 * The way of messages to people, and of events to their bus. The network of the database has no way to SNS and EventBridge. So the
 * schedule calls `send`, outside, which asks `monitor`, inside, and sends what it is handed. It calls `start-batch` for what is due.
 */
export class Sending extends Construct {
  constructor(scope: Construct, id: string, { functions, topics, isMailed, eventBus, hasDue }: SendingProps) {
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
    if (eventBus !== false) {
      if (isArn(eventBus) === undefined)
        refuseProps(scope.node.path, [
          'eventBus: nobody knows before the deploy whether this is a name or an ARN, and the policy of the functions needs to know. Name ' +
            'eventBusName or eventBusArn of an IEventBus, or write the text out',
        ])
      send.lambda.addToRolePolicy(
        new PolicyStatement({
          actions: ['events:PutEvents'],
          resources: [busOf(this, 'Bus', eventBus).eventBusArn],
          // It cannot pretend to be another program.
          conditions: { StringEqualsIfExists: { 'events:source': eventSource } },
        }),
      )
    }
    if (hasDue) {
      send.lambda.addEnvironment('START_BATCH_FUNCTION', startBatch.lambda.functionName)
      send.mayCall(startBatch)
    }
  }
}

/** Whether this is the ARN of a bus, and not its name; undefined if only the deploy knows. */
function isArn(nameOrArn: string): boolean | undefined {
  if (nameOrArn.startsWith('arn:')) return true
  if (!Token.isUnresolved(nameOrArn)) return false
  const parts = Tokenization.reverseString(nameOrArn)
  const token = parts.firstToken
  // A name may have a token at its begin, such as the name of the stack.
  if (parts.length > 1)
    return parts.join({ join: (left, right) => `${left}${right}` }).includes(':event-bus/')
  if (!Reference.isReference(token) || token.target instanceof CfnParameter) return undefined
  if (token.displayName === 'Arn') return true
  return ['Ref', 'Name'].includes(token.displayName) ? false : undefined
}

/** The bus of this name or ARN. A rule takes both, so what nobody knows may be either. */
const busOf = (scope: Construct, id: string, nameOrArn: string): IEventBus =>
  isArn(nameOrArn)
    ? EventBus.fromEventBusArn(scope, id, nameOrArn)
    : EventBus.fromEventBusName(scope, id, nameOrArn)

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
