import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { APIGatewayProxyEventV2WithIAMAuthorizer } from 'aws-lambda'
import { decode, type Match } from '../../src/api/match.ts'
import { routeKey } from '../../src/api/routes.ts'
import { person } from '../../src/terminal/person.ts'

/**
 * The event for this request, as API Gateway's HTTP API makes it (payload 2.0, IAM authorizer, stage
 * $default).
 */
export function toEvent(
  request: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'httpVersion' | 'socket'>,
  body: Buffer,
  { route, parameters }: Match,
  caller = person(),
): APIGatewayProxyEventV2WithIAMAuthorizer {
  const method = request.method!
  const { path, query } = splitTarget(request.url!)
  const { cookie, ...headers } = joinDuplicates(
    pairs(request.rawHeaders).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const parametersOfQuery = joinDuplicates([...new URLSearchParams(query)])
  const isText =
    /^(text\/|application\/(json|javascript|xml)\b)/.test(headers['content-type'] ?? '') && isUtf8(body)
  const now = new Date()
  return {
    version: '2.0',
    routeKey: routeKey(route),
    rawPath: decode(path),
    rawQueryString: query,
    ...(cookie === undefined ? {} : { cookies: cookie.split(/; */) }),
    headers,
    ...(query === '' ? {} : { queryStringParameters: parametersOfQuery }),
    requestContext: {
      accountId: '000000000000',
      apiId: 'local',
      authorizer: { iam: { ...localCaller, userArn: caller } },
      domainName: headers.host!.replace(/:\d+$/, ''),
      domainPrefix: 'local',
      http: {
        method,
        path: decode(path),
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey: routeKey(route),
      stage: '$default',
      time: clfTime(now),
      timeEpoch: now.getTime(),
    },
    ...(Object.keys(parameters).length === 0 ? {} : { pathParameters: parameters }),
    // Any other body is base64: the form that `curl -d` sends by default, and what is not UTF-8.
    ...(body.length === 0 ? {} : { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  }
}

/** The path and the query of a request's target, not decoded. */
export function splitTarget(target: string): { path: string; query: string } {
  const at = target.indexOf('?')
  return at < 0 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at + 1) }
}

const localCaller = {
  accessKey: 'local',
  accountId: '000000000000',
  callerId: 'local',
  cognitoIdentity: null,
  principalOrgId: '',
  userArn: '',
  userId: 'local',
}

const pairs = (flat: string[]) =>
  flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!] as const] : []))

function joinDuplicates(entries: (readonly [string, string])[]): Record<string, string> {
  const joined = new Map<string, string>()
  for (const [name, value] of entries) {
    const before = joined.get(name)
    joined.set(name, before === undefined ? value : `${before},${value}`)
  }
  return Object.fromEntries(joined)
}

/** `20/Nov/2026:08:45:36 +0000` */
function clfTime(date: Date): string {
  const [, day, month, year, time] = date.toUTCString().split(/,? /)
  return `${day}/${month}/${year}:${time} +0000`
}
