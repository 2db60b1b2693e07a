import { CfnParameter, Reference, Token, Tokenization } from 'aws-cdk-lib'
import { EventBus, type IEventBus } from 'aws-cdk-lib/aws-events'
import { Construct } from 'constructs'
import type { FunctionName } from '../../src/api/functions.ts'
import { dueMessage, eventsMessage } from '../../src/api/lambda/wake-lines.ts'
import { refuseProps } from '../environment/valid-options.ts'
import { callOnLine } from './call-on-line.ts'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

/** The functions that see runs and batches end, and the monitor, which finds all other ends. */
const logging = ['create', 'refresh', 'drop', 'batch', 'api', 'monitor', 'migrate'] as const

export interface AnnouncementsProps {
  environmentName: string
  functions: Record<FunctionName, ViewkeeperFunction>
  /** The name or the ARN of the bus; false: there are no events. */
  eventBus: string | false
  /** Whether the monitor asks for what is due by target lags. */
  hasDue: boolean
}

/**
 * The way of events to their bus. The network of the database has no way to EventBridge. So a function in it logs a line, for
 * which CloudWatch Logs calls `announce`, outside; `announce` asks `news`, inside, and puts what it is handed on the bus. For the
 * monitor's line about what is due it calls `start-batch`, which CloudWatch Logs itself calls if there are no events.
 */
export class Announcements extends Construct {
  constructor(
    scope: Construct,
    id: string,
    { environmentName, functions, eventBus, hasDue }: AnnouncementsProps,
  ) {
    super(scope, id)
    const due = hasDue ? [dueMessage] : []
    if (eventBus === false) {
      if (hasDue)
        callOnLine(this, { environmentName, functions, lines: { monitor: due }, calls: 'start-batch' })
      return
    }
    if (isArn(eventBus) === undefined)
      refuseProps(scope.node.path, [
        'eventBus: nobody knows before the deploy whether this is a name or an ARN, and the policy of the functions needs to know. Name ' +
          'eventBusName or eventBusArn of an IEventBus, or write the text out',
      ])
    busOf(this, 'Bus', eventBus).grantPutEventsTo(functions.announce.lambda)
    if (hasDue) {
      const { announce, 'start-batch': startBatch } = functions
      announce.lambda.addEnvironment('START_BATCH_FUNCTION', startBatch.lambda.functionName)
      announce.mayCall(startBatch)
    }
    const lines = Object.fromEntries(
      logging.map((name) => [name, [eventsMessage, ...(name === 'monitor' ? due : [])]]),
    )
    callOnLine(this, { environmentName, functions, lines, calls: 'announce' })
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
export const busOf = (scope: Construct, id: string, nameOrArn: string): IEventBus =>
  isArn(nameOrArn)
    ? EventBus.fromEventBusArn(scope, id, nameOrArn)
    : EventBus.fromEventBusName(scope, id, nameOrArn)
