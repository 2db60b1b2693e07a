import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface Credentials {
  key: string
  secret: string
  /** Of a session. */
  token?: string | undefined
}

export interface Call {
  method?: 'GET' | 'POST' | 'PUT'
  headers?: Record<string, string>
  body?: string
  /** Service in whose name the request is signed. Default: not signed at all. */
  sign?: { service: string; as: Credentials; region?: string }
}

export interface Answer {
  status: number
  body: string
}

/** Calls as docs/http.md tells operators to: with curl, which signs. */
export async function curl(
  url: string,
  { method = 'GET', headers = {}, body, sign }: Call = {},
): Promise<Answer> {
  const { protocol, hostname, port } = new URL(url)
  const args = [
    '--silent',
    '--show-error',
    '--max-time',
    '40',
    '--request',
    method,
    '--write-out',
    '\n%{http_code}',
  ]
  // The emulator speaks HTTP, and only AWS's name servers know the address of an API.
  if (protocol === 'http:') args.push('--resolve', `${hostname}:${port}:127.0.0.1`)
  if (sign) {
    const { key, secret, token } = sign.as
    args.push('--aws-sigv4', `aws:amz:${sign.region ?? 'us-east-1'}:${sign.service}`)
    args.push('--user', `${key}:${secret}`)
    if (token) args.push('--header', `x-amz-security-token: ${token}`)
  }
  for (const [name, value] of Object.entries(headers)) args.push('--header', `${name}: ${value}`)
  if (body !== undefined) args.push('--data', body)
  const { stdout } = await promisify(execFile)('curl', [...args, url], { maxBuffer: 2 ** 26 })
  const end = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
}
