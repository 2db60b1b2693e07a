import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import type { EventType } from '../../../../src/words/event.ts'
import { type Emulator, rootKey } from './emulator.ts'
import { type Answer, type Call, type Credentials, curl } from './signed-curl.ts'

export const root: Credentials = { key: rootKey, secret: rootKey }

/** Where AWS is, and as whom it is called. */
export interface Account {
  region: string
  /** The address of a service, without a slash at its end. */
  addressOf(service: string): string
  credentials(): Promise<Credentials>
}

/** The emulator's only account, as root. */
export const accountOf = ({ url }: Pick<Emulator, 'url'>): Account => ({
  region: 'us-east-1',
  addressOf: () => url,
  credentials: async () => root,
})

/** The few calls of AWS's own APIs that the test makes. */
export const createAws = (emulator: Emulator) => callsOn(accountOf(emulator))

/** The same on an account. */
export function callsOn({ region, addressOf, credentials }: Account) {
  const call = async (service: string, path: string, request: Call) => {
    const sign = { service, region, as: await credentials() }
    const answer = await curl(`${addressOf(service)}${path}`, { ...request, sign })
    if (answer.status !== 200) throw new Error(`${service}: ${answer.status} ${answer.body}`)
    return answer.body
  }
  const json = async (service: string, target: string, body: object, version = '1.1') => {
    const headers = { 'content-type': `application/x-amz-json-${version}`, 'x-amz-target': target }
    return JSON.parse(await call(service, '/', { method: 'POST', headers, body: JSON.stringify(body) }))
  }
  const query = (service: string, version: string, action: string, parameters: Record<string, string>) =>
    call(service, '/', {
      method: 'POST',
      body: new URLSearchParams({ Action: action, Version: version, ...parameters }).toString(),
    })
  /** Takes what waits in a queue out of it. */
  const take = async (QueueUrl: string, WaitTimeSeconds: number): Promise<string[]> => {
    const request = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds }
    const { Messages = [] } = await json('sqs', 'AmazonSQS.ReceiveMessage', request, '1.0')
    const messages: { MessageId: string; ReceiptHandle: string; Body: string }[] = Messages
    const Entries = messages.map(({ MessageId: Id, ReceiptHandle }) => ({ Id, ReceiptHandle }))
    if (Entries.length > 0) await json('sqs', 'AmazonSQS.DeleteMessageBatch', { QueueUrl, Entries }, '1.0')
    return messages.map(({ Body }) => Body)
  }
  const iam = (action: string, parameters: Record<string, string>) =>
    query('iam', '2010-05-08', action, parameters)
  return {
    /** Its ARN. */
    createSecret: async (name: string, value: string): Promise<string> =>
      (
        await json('secretsmanager', 'secretsmanager.CreateSecret', {
          Name: name,
          SecretString: value,
          ClientRequestToken: crypto.randomUUID(),
        })
      ).ARN,

    /** How a stack stands, and whether it is protected from removal; undefined if there is none. */
    describeStack: async (name: string): Promise<{ status: string; protected: boolean } | undefined> => {
      const answer = await query('cloudformation', '2010-05-15', 'DescribeStacks', { StackName: name }).catch(
        (error: Error) => (error.message.includes('does not exist') ? undefined : Promise.reject(error)),
      )
      if (answer === undefined) return undefined
      const read = (tag: string) => new RegExp(`<${tag}>(.+?)</${tag}>`).exec(answer)?.[1] ?? ''
      return { status: read('StackStatus'), protected: read('EnableTerminationProtection') === 'true' }
    },

    deleteStack: (name: string): Promise<unknown> =>
      query('cloudformation', '2010-05-15', 'DeleteStack', { StackName: name }),

    /** The lines of a log group that are JSON. */
    readLog: async (logGroupName: string): Promise<Record<string, unknown>[]> => {
      const { events } = await json('logs', 'Logs_20140328.FilterLogEvents', { logGroupName })
      return events
        .map(({ message }: { message: string }) => message)
        .filter(isJson)
        .map(JSON.parse as never)
    },

    /** The schedules of an environment, without its name. */
    listSchedules: async (environment: string): Promise<string[]> => {
      const path = `/schedules?ScheduleGroup=viewkeeper-${environment}`
      const { Schedules } = JSON.parse(await call('scheduler', path, {}))
      return Schedules.map(({ Name }: { Name: string }) => Name.replace(`${environment}-`, '')).sort()
    },

    /** Switches a schedule on or off. */
    switchSchedule: async (environment: string, schedule: string, State: 'ENABLED' | 'DISABLED') => {
      const GroupName = `viewkeeper-${environment}`
      const path = `/schedules/${environment}-${schedule}`
      const found = JSON.parse(await call('scheduler', `${path}?groupName=${GroupName}`, {}))
      const { ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target } = found
      const changed = { ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target }
      const body = JSON.stringify({ GroupName, ...changed, State })
      await call('scheduler', path, { method: 'PUT', body })
    },

    /** Has Scheduler deliver the event of a schedule once more, now, perhaps with a changed target. */
    deliverAgain: async (environment: string, schedule: string, changed: object = {}): Promise<void> => {
      const group = `viewkeeper-${environment}`
      const name = `${environment}-${schedule}`
      const { Target } = JSON.parse(await call('scheduler', `/schedules/${name}?groupName=${group}`, {}))
      const once = {
        GroupName: group,
        Target: { ...Target, ...changed },
        ScheduleExpression: `at(${new Date().toISOString().slice(0, 19)})`,
        FlexibleTimeWindow: { Mode: 'OFF' },
        ActionAfterCompletion: 'DELETE',
      }
      await call('scheduler', `/schedules/${name}-again`, { method: 'POST', body: JSON.stringify(once) })
    },

    /** How an execution of the state machine stands, and why it failed if it did. */
    describeExecution: async (machineArn: string, name: string): Promise<Execution> => {
      const executionArn = `${machineArn.replace(':stateMachine:', ':execution:')}:${name}`
      return json('states', 'AWSStepFunctions.DescribeExecution', { executionArn }, '1.0')
    },

    /** Somebody who may do what the policy says and nothing else: a policy of their own, or the ARN of a managed one. */
    createUser: async (name: string, policy: object | string): Promise<Credentials> => {
      await iam('CreateUser', { UserName: name })
      if (typeof policy === 'string') await iam('AttachUserPolicy', { UserName: name, PolicyArn: policy })
      else
        await iam('PutUserPolicy', {
          UserName: name,
          PolicyName: 'all',
          PolicyDocument: JSON.stringify(policy),
        })
      const key = await iam('CreateAccessKey', { UserName: name })
      const read = (tag: string) => new RegExp(`<${tag}>(.+)</${tag}>`).exec(key)![1]!
      return { key: read('AccessKeyId'), secret: read('SecretAccessKey') }
    },

    /** Calls a function as a schedule does, and gives what it answers. */
    invoke: async (name: string): Promise<unknown> => {
      const { key, secret, token } = await credentials()
      const lambda = new LambdaClient({
        endpoint: addressOf('lambda'),
        region,
        credentials: {
          accessKeyId: key,
          secretAccessKey: secret,
          ...(token && { sessionToken: token }),
        },
        maxAttempts: 1,
      })
      const { Payload, FunctionError } = await lambda.send(
        new InvokeCommand({ FunctionName: name, Payload: '{}' }),
      )
      const answer = Payload?.transformToString() ?? ''
      if (FunctionError) throw new Error(`${name}: ${FunctionError} ${answer}`)
      return JSON.parse(answer)
    },

    /** Makes a queue that gets what the topic gets; its URL. */
    subscribeQueue: async (name: string, topicArn: string): Promise<string> => {
      const queueArn = topicArn.replace(/^arn:aws:sns:(.+):[^:]+$/, `arn:aws:sqs:$1:${name}`)
      const policy = {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: 'sns.amazonaws.com' },
            Action: 'sqs:SendMessage',
            Resource: queueArn,
            Condition: { ArnEquals: { 'aws:SourceArn': topicArn } },
          },
        ],
      }
      const queue = { QueueName: name, Attributes: { Policy: JSON.stringify(policy) } }
      const { QueueUrl } = await json('sqs', 'AmazonSQS.CreateQueue', queue, '1.0')
      const subscription = { TopicArn: topicArn, Protocol: 'sqs', Endpoint: queueArn }
      await query('sns', '2010-03-31', 'Subscribe', subscription)
      return QueueUrl
    },

    /** What a topic has sent to the queue and nobody has received; waits up to 5 s for the first. */
    receive: async (queueUrl: string): Promise<{ subject: string; text: string }[]> =>
      (await take(queueUrl, 5)).map((body) => {
        const { Subject, Message } = JSON.parse(body)
        return { subject: Subject ?? '', text: Message }
      }),

    /** What EventBridge has put into the queue and nobody has received. */
    receiveEvents: async (queueUrl: string): Promise<ReceivedEvent[]> => {
      const events: ReceivedEvent[] = []
      for (;;) {
        const bodies = await take(queueUrl, 0)
        if (bodies.length === 0) return events
        events.push(...bodies.map((body) => JSON.parse(body)))
      }
    },

    /** `OK`, `ALARM` or `INSUFFICIENT_DATA`. */
    readAlarmState: async (name: string): Promise<string | undefined> => {
      const answer = await query('monitoring', '2010-08-01', 'DescribeAlarms', {
        'AlarmNames.member.1': name,
      })
      return /<StateValue>(\w+)</.exec(answer)?.[1]
    },

    /** How many numbers CloudWatch has got of a metric in the last so many seconds. */
    countMetric: async (
      namespace: string,
      name: string,
      dimensions: Record<string, string>,
      seconds: number,
    ): Promise<number> => {
      const named = Object.entries(dimensions).flatMap(([key, text], at) => [
        [`Dimensions.member.${at + 1}.Name`, key],
        [`Dimensions.member.${at + 1}.Value`, text],
      ])
      const answer = await query('monitoring', '2010-08-01', 'GetMetricStatistics', {
        Namespace: namespace,
        MetricName: name,
        StartTime: new Date(Date.now() - seconds * 1000).toISOString(),
        EndTime: new Date().toISOString(),
        Period: '60',
        'Statistics.member.1': 'SampleCount',
        ...Object.fromEntries(named),
      })
      return [...answer.matchAll(/<SampleCount>([\d.]+)</g)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      )
    },

    /** What the executions of a state machine were begun with, the newest first. */
    listInputs: async (stateMachineArn: string): Promise<string[]> => {
      const version = '1.0'
      const listed = await json('states', 'AWSStepFunctions.ListExecutions', { stateMachineArn }, version)
      return Promise.all(
        listed.executions.map(async ({ executionArn }: { executionArn: string }) => {
          const found = await json('states', 'AWSStepFunctions.DescribeExecution', { executionArn }, version)
          return found.input
        }),
      )
    },

    /** The names of the log groups that begin so. */
    listLogGroups: async (logGroupNamePrefix: string): Promise<string[]> => {
      const { logGroups } = await json('logs', 'Logs_20140328.DescribeLogGroups', { logGroupNamePrefix })
      return logGroups.map(({ logGroupName }: { logGroupName: string }) => logGroupName)
    },

    setAlarmState: (name: string, state: 'OK' | 'ALARM', reason: string): Promise<string> =>
      query('monitoring', '2010-08-01', 'SetAlarmState', {
        AlarmName: name,
        StateValue: state,
        StateReason: reason,
      }),

    /** As if the metric had been published `secondsAgo`. */
    putMetric: async (
      namespace: string,
      name: string,
      dimensions: Record<string, string>,
      value: number,
      secondsAgo = 0,
    ): Promise<void> => {
      const Timestamp = new Date(Date.now() - secondsAgo * 1000).toISOString()
      const datum: Record<string, string> = { MetricName: name, Value: String(value), Timestamp }
      Object.entries(dimensions).forEach(([key, text], index) => {
        datum[`Dimensions.member.${index + 1}.Name`] = key
        datum[`Dimensions.member.${index + 1}.Value`] = text
      })
      const parameters = Object.entries(datum).map(([key, text]) => [`MetricData.member.1.${key}`, text])
      await query('monitoring', '2010-08-01', 'PutMetricData', {
        Namespace: namespace,
        ...Object.fromEntries(parameters),
      })
    },
  }
}

/** An event as EventBridge delivers it. */
export interface ReceivedEvent {
  source: string
  'detail-type': EventType
  time: string
  detail: unknown
}

export interface Execution {
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED'
  input: string
  error?: string
  cause?: string
}

export type Api = ReturnType<typeof createApi>

/** Calls the deployed API. */
export function createApi(apiUrl: string, { port }: Emulator) {
  const { hostname } = new URL(apiUrl)
  const id = hostname.split('.')[0]!
  return {
    id,
    /** As nobody when `as` is left out. */
    call: (
      method: 'GET' | 'POST',
      path: string,
      as?: Credentials,
      headers?: Record<string, string>,
      body?: object,
    ): Promise<Answer> =>
      curl(`http://${hostname}:${port}${path}`, {
        method,
        headers,
        body: body && JSON.stringify(body),
        sign: as && { service: 'execute-api', as },
      }),
  }
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}
