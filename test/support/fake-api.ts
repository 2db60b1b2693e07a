import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished, vi } from 'vitest'
import { checkSignature, type Signature } from './signature.ts'

/** A request as it reached the API. */
export interface Received {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
  /** Null: the request is not signed. */
  signature: Signature | null
}

export interface FakeAnswer {
  status?: number
  headers?: Record<string, string>
  /** An object is JSON. */
  body?: unknown
}

export const secret = 'wJalrXUtnFEMI'

/**
 * An API on loopback that answers what the function says. It checks the signature of each signed request, and throws away
 * the connection if the signature does not fit.
 */
export async function startApi(
  answerTo: (request: Received, turn: number) => FakeAnswer | Promise<FakeAnswer> = () => ({ body: {} }),
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = []
  const url = await serve(async (request, response) => {
    const body = await buffer(request)
    const { method = '', url = '', headers } = request
    const signature = headers.authorization ? checkSignature(request, body, () => secret) : null
    const turn = received.push({ method, url, headers, body: body.toString(), signature })
    const answer = await answerTo(received[turn - 1]!, turn)
    const isText = typeof answer.body === 'string'
    response.writeHead(answer.status ?? 200, {
      'content-type': isText ? 'text/html' : 'application/json',
      ...answer.headers,
    })
    response.end(isText ? answer.body : JSON.stringify(answer.body ?? {}))
  })
  return { url, received }
}

/** An answer of Viewkeeper that says what went wrong. */
export const problem = (status: number, code: string, more: object = {}): FakeAnswer => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: { status, code, detail: `This is ${code}.`, ...more },
})

/**
 * Lets the AWS SDK ask a server that speaks as CloudFormation does, with credentials of the test and nothing of the person
 * who runs it. `outputs` are those of each stack; a stack that is missing does not exist. An error is answered as it is.
 */
export async function startCloudFormation(
  stacks: Record<string, Record<string, string> | { error: string; status: number }>,
): Promise<{ asked: string[] }> {
  const asked: string[] = []
  const url = await serve(async (request, response) => {
    const name = new URLSearchParams((await buffer(request)).toString()).get('StackName') ?? ''
    asked.push(name)
    const stack = stacks[name] ?? { error: 'ValidationError', status: 400 }
    if ('error' in stack && typeof stack.status === 'number') {
      response.writeHead(stack.status, { 'content-type': 'text/xml' })
      return void response.end(
        `<ErrorResponse><Error><Type>Sender</Type><Code>${stack.error}</Code>` +
          `<Message>Stack with id ${name} does not exist</Message></Error></ErrorResponse>`,
      )
    }
    const outputs = Object.entries(stack)
      .map(
        ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
      )
      .join('')
    response.writeHead(200, { 'content-type': 'text/xml' })
    response.end(
      `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member><StackName>${name}</StackName><StackStatus>UPDATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>${outputs}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
    )
  })
  withoutPerson()
  vi.stubEnv('AWS_ENDPOINT_URL_CLOUDFORMATION', url)
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secret)
  return { asked }
}

/** Takes away all AWS credentials and settings of the person who runs the test. */
export function withoutPerson(): void {
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_')))
    vi.stubEnv(name, undefined)
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null')
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('VIEWKEEPER_ENV', undefined)
  onTestFinished(() => void vi.unstubAllEnvs())
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(async (request, response) => {
    try {
      await listener(request, response)
    } catch {
      request.socket.destroy()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
