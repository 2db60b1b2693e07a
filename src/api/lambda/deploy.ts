import https from 'node:https'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import type { Context } from 'aws-lambda'
import * as z from 'zod/mini'
import { validate } from '../request-fields.ts'
import { clientSettings } from './aws-client.ts'
import { invokeFunction } from './invoke.ts'
import { endOfWork, logger } from './lifetime.ts'

/**
 * `Migrate` is the ARN of a version of the function `migrate`. With `StateMachine`, the deploy has migrated, and a batch of every view
 * begins, once for each `Key`. What else is there only makes CloudFormation call.
 */
const properties = z.object({
  Migrate: z.string().check(z.regex(/:\d+$/)),
  StateMachine: z.optional(z.string()),
  Key: z.optional(z.string()),
})

/** What CloudFormation sends to a custom resource. */
const request = z.object({
  RequestType: z.enum(['Create', 'Update', 'Delete']),
  ResponseURL: z.string(),
  StackId: z.string(),
  RequestId: z.string(),
  LogicalResourceId: z.string(),
  PhysicalResourceId: z.optional(z.string()),
  ResourceProperties: properties,
  OldResourceProperties: z.optional(properties),
})

type Request = z.output<typeof request>

/** After `migrate` was called, this much is left to answer CloudFormation. */
const reserveMs = 30_000

/** How often CloudFormation is answered until it has taken the answer, how long it may take, and the pause between two. */
const attempts = 3
const attemptMs = 6000
const pauseMs = 2000

/** CloudFormation takes answers of at most 4,096 bytes. */
const longestAnswer = 4096

/**
 * Calls `migrate` for CloudFormation, or starts a batch, and answers with what came of it, from outside the network of the database, out of which
 * nothing reaches CloudFormation. A rollback succeeds whatever `migrate` says: its code worked on this database before,
 * and a failure would only leave the stack in UPDATE_ROLLBACK_FAILED.
 */
export async function migrateFor(
  event: unknown,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
): Promise<void> {
  const asked = validate(request, event, 'the event of CloudFormation')
  if (asked.RequestType === 'Delete') return answer(asked, null)
  const rollback = isRollback(asked)
  const { Migrate, StateMachine, Key } = asked.ResourceProperties
  const until = endOfWork(context, reserveMs)
  const failure =
    StateMachine === undefined
      ? await callMigrate(Migrate, rollback, until)
      : rollback
        ? null
        : await startBatch(StateMachine, Key)
  if (rollback && failure !== null)
    logger.warn('the rollback goes on, although migrate failed', { problem: failure })
  return answer(asked, rollback ? null : failure)
}

/**
 * Lambda counts the versions of a function up, also if a deploy brings earlier code back; so only a rollback goes to a lower one.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
 */
function isRollback({ ResourceProperties: to, OldResourceProperties: from }: Request): boolean {
  if (from === undefined) return false
  const [before, after] = [from, to].map(({ Migrate }) => /^(.*):(\d+)$/.exec(Migrate))
  return before?.[1] === after?.[1] && Number(before?.[2]) > Number(after?.[2])
}

/**
 * Why `migrate` failed; null if it has not. CloudFormation has brought the function to this version before. The version itself
 * may know a server that was replaced meanwhile.
 */
async function callMigrate(version: string, rollback: boolean, until: number): Promise<string | null> {
  const lambda = new LambdaClient(clientSettings({ requestMs: until - Date.now(), attempts: 1 }))
  const event = { trigger: 'deploy', rollback }
  try {
    const tryUntil = Date.now() + 120_000
    await invokeFunction(lambda, version.replace(/:\d+$/, ''), event, { tryUntil, until, justGranted: true })
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** Why no execution could be started; null if one was. The right to do so may be some seconds old, and IAM not know it yet. */
async function startBatch(stateMachineArn: string, key: string | undefined): Promise<string | null> {
  const machine = new SFNClient(clientSettings({ requestMs: 5000, attempts: 3 }))
  const input = JSON.stringify({ trigger: 'deploy', key, all: true })
  for (const tryUntil = Date.now() + 120_000; ; ) {
    try {
      await machine.send(new StartExecutionCommand({ stateMachineArn, input }))
      return null
    } catch (error) {
      const { name, message } = error as Error
      if (name !== 'AccessDeniedException' || Date.now() > tryUntil) return message
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

async function answer(asked: Request, failure: string | null): Promise<void> {
  const { StackId, RequestId, LogicalResourceId, PhysicalResourceId = LogicalResourceId } = asked
  const same = { StackId, RequestId, LogicalResourceId, PhysicalResourceId }
  const body = failure === null ? JSON.stringify({ Status: 'SUCCESS', ...same }) : shortened(failure, same)
  for (let attempt = 1; ; attempt++) {
    try {
      return await put(new URL(asked.ResponseURL), body)
    } catch (error) {
      // Lambda calls again after an error; migrate then finds its work done.
      if (attempt === attempts) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

/** The answer that `migrate` failed, with as much of the reason as CloudFormation takes. */
function shortened(failure: string, same: object): string {
  const reason = [...failure].slice(0, longestAnswer)
  for (;;) {
    const body = JSON.stringify({ Status: 'FAILED', Reason: reason.join(''), ...same })
    if (Buffer.byteLength(body) < longestAnswer || reason.length === 0) return body
    reason.splice(-50)
  }
}

/**
 * Throws if CloudFormation has not taken the answer. Its address is one of S3, signed for an empty type of the content, which
 * `fetch` cannot send.
 */
const put = (to: URL, body: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const { hostname, port, pathname, search } = to
    const headers = { 'content-type': '', 'content-length': Buffer.byteLength(body) }
    const signal = AbortSignal.timeout(attemptMs)
    const options = { method: 'PUT', hostname, port, path: pathname + search, headers, signal }
    const request = https.request(options, (response) => {
      response.resume()
      const { statusCode = 500 } = response
      if (statusCode < 400) resolve()
      else reject(new Error(`CloudFormation refused the answer with ${statusCode}.`))
    })
    request.on('error', reject).end(body)
  })
