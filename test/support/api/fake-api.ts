import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished, vi } from 'vitest'
import { version, versionHeader } from '../../../src/version.ts'
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
      [versionHeader]: version,
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
 * Lets the AWS SDK ask a server that speaks as the parameter store of SSM, with credentials of the test and nothing of the
 * person who runs it. Each environment has the address of its API, or the text of its parameter; one that is missing does not
 * exist. An error is answered as it is.
 */
export async function startParameters(
  environments: Record<string, { apiUrl: string } | { text: string } | { error: string; status: number }>,
): Promise<{ asked: string[] }> {
  const asked: string[] = []
  const url = await serve(async (request, response) => {
    const { Name } = JSON.parse((await buffer(request)).toString())
    asked.push(Name)
    const known = environments[Name.replace('/viewkeeper/', '')] ?? {
      error: 'ParameterNotFound',
      status: 400,
    }
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
      response.end(JSON.stringify(body))
    }
    if ('error' in known)
      return answer(known.status, { __type: known.error, message: `${known.error}: ${Name}` })
    const Value = 'text' in known ? known.text : known.apiUrl
    answer(200, { Parameter: { Name, Type: 'StringList', Value, Version: 1 } })
  })
  withoutPerson()
  vi.stubEnv('AWS_ENDPOINT_URL_SSM', url)
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secret)
  return { asked }
}

/**
 * Takes away all AWS credentials and settings of the person who runs the test, and the local gateway that may run on the
 * current folder.
 */
export function withoutPerson(): void {
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_')))
    vi.stubEnv(name, undefined)
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null')
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('VIEWKEEPER_ENV', undefined)
  vi.stubEnv('DATA_DIR', '/dev/null')
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
