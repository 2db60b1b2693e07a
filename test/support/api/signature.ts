import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** What a request's signature says; the request was checked as API Gateway checks it. */
export interface Signature {
  keyId: string
  region: string
  service: string
  headers: string[]
}

/**
 * Checks the Signature Version 4 of a request with code of its own, and throws if it does not fit: a changed path, query,
 * signed header or body.
 */
export function checkSignature(
  { method, url = '', headers }: IncomingMessage,
  body: Buffer,
  secretOf: (keyId: string) => string,
): Signature {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    )
  if (!parts) throw new Error(`not signed: ${headers.authorization}`)
  const [, keyId, day, region, service, signedHeaders, signature] = parts as unknown as string[]
  const [path = '', query = ''] = url.split('?')
  const canonical = [
    method,
    path.split('/').map(encode).join('/'),
    canonicalQuery(query),
    ...signedHeaders!.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    signedHeaders,
    sha256(body),
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(
    (secret, part) => createHmac('sha256', secret).update(part!).digest(),
    `AWS4${secretOf(keyId!)}`,
  )
  if (createHmac('sha256', key).update(text).digest('hex') !== signature)
    throw new Error(`the signature does not fit:\n${canonical}`)
  return { keyId: keyId!, region: region!, service: service!, headers: signedHeaders!.split(';') }
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)

const canonicalQuery = (query: string): string =>
  [...new URLSearchParams(query)]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
