import { SSMClient } from '@aws-sdk/client-ssm'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { deployedTarget } from '../../../cli/target/deployed.ts'
import { deployedMachinery, startBatchWith } from '../../../src/api/lambda/start-batch.ts'
import { hurried, startSilence, useFakeClock, warmUp } from '../../support/aws/fake-aws.ts'
import { httpEvent, lambdaContext } from '../../support/aws/lambda.ts'
import { muteConsole } from '../../support/console.ts'

useFakeClock()

const machinery = () =>
  deployedMachinery({
    BATCH_FUNCTION: 'viewkeeper-test-batch',
    STATE_MACHINE_ARN: 'arn:aws:states:eu-central-1:1:stateMachine:test',
  })

const secretArn = 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:db'

/** The files keep their clients, so each test loads the files anew. */
async function secretReaders() {
  vi.resetModules()
  const { fromSecret } = await import('../../../src/api/lambda/login.ts')
  await import('../../../src/api/lambda/secrets-client.ts')
  const read = fromSecret(secretArn, {})
  return { secret: () => read({ fresh: true }) }
}

let readers: Awaited<ReturnType<typeof secretReaders>>

/** Every client of the AWS SDK: the call, the longest wait in seconds, how often it connects, and the refusal. */
const clients: [string, () => Promise<unknown>, { seconds: number; attempts: number; refusal: object }][] = [
  [
    'start-batch calls batch',
    () => machinery().open({ event: {}, requestId: 'r' }, Date.now() + 24_000),
    { seconds: 24, attempts: 1, refusal: { code: 'FunctionUnavailable' } },
  ],
  [
    'start-batch starts an execution',
    () => machinery().advance('b-1'),
    { seconds: 5, attempts: 2, refusal: { code: 'BatchNotStarted', details: { batchId: 'b-1' } } },
  ],
  [
    'a function reads the secret',
    () => readers.secret(),
    { seconds: 9, attempts: 2, refusal: { code: 'DatabaseUnavailable' } },
  ],
  [
    'the command line looks for an environment',
    () => deployedTarget('nowhere').describe('all'),
    { seconds: 21, attempts: 2, refusal: { code: 'FunctionUnavailable' } },
  ],
  [
    'the command line calls migrate',
    () => {
      const Parameter = { Value: 'none,none,migrate' }
      vi.spyOn(SSMClient.prototype, 'send').mockResolvedValue({ Parameter } as never)
      return deployedTarget('nowhere').describe('all')
    },
    { seconds: 15 * 60 + 1, attempts: 1, refusal: { code: 'FunctionUnavailable' } },
  ],
]

beforeAll(async () => {
  muteConsole()
  readers = await secretReaders()
  await warmUp(clients.map(([, call]) => call))
})

describe.each(['http', 'https'] as const)('a server that accepts and never answers (%s)', (protocol) => {
  test.each(clients)('is given up when %s', async (_, call, { seconds, attempts, refusal }) => {
    const { connections } = await startSilence(protocol)
    readers = await secretReaders()
    const start = Date.now()
    const outcome = await hurried(call(), seconds > 60 ? 1000 : 100)
    expect(outcome).toMatchObject({ status: 'rejected', reason: refusal })
    expect((Date.now() - start) / 1000).toBeLessThanOrEqual(seconds + 1)
    expect(connections()).toBe(attempts)
  })
})

test('a POST /batches without an answer of the function batch is a 503 before API Gateway gives up', async () => {
  await startSilence('https')
  const start = Date.now()
  const context = lambdaContext({ getRemainingTimeInMillis: () => 29_000 })
  const outcome = await hurried(startBatchWith(machinery(), httpEvent('POST /batches'), context))
  expect(outcome).toMatchObject({ value: { statusCode: 503, headers: { 'retry-after': '5' } } })
  expect(Date.now() - start).toBeLessThan(29_000)
})
