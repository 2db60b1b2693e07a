import type { ServerResponse } from 'node:http'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'

/**
 * Writes a handler's result as API Gateway does: a result without `statusCode` is the body of a 200. JSON is
 * indented, because people read it in a terminal.
 */
export function answer(response: ServerResponse, result: unknown): void {
  const isStructured = typeof result === 'object' && result !== null && 'statusCode' in result
  const structured: APIGatewayProxyStructuredResultV2 = isStructured
    ? (result as APIGatewayProxyStructuredResultV2)
    : { statusCode: 200, body: typeof result === 'string' ? result : JSON.stringify(result) }
  const { statusCode = 200, headers = {}, cookies, body = '', isBase64Encoded } = structured
  for (const [name, value] of Object.entries({ 'content-type': 'application/json', ...headers })) {
    response.setHeader(name, typeof value === 'boolean' ? String(value) : value)
  }
  if (cookies) response.setHeader('set-cookie', cookies)
  response.statusCode = statusCode
  const isJson =
    !isBase64Encoded && body !== '' && String(response.getHeader('content-type')).includes('json')
  const shown = isJson ? `${JSON.stringify(JSON.parse(body), null, 2)}\n` : body
  response.end(Buffer.from(shown, isBase64Encoded ? 'base64' : 'utf8'))
}
