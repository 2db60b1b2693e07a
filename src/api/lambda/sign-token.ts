import { AwsV4Signer } from 'aws4fetch'
import { Problem } from '../../words/problem.ts'

/** RDS accepts a token for 15 minutes. RDS looks at the token only while a connection opens. */
const validSeconds = 900

/** A signed request to connect, without its protocol: `host:5432/?Action=connect&DBUser=…&X-Amz-Signature=…`. */
export async function signToken(
  { host, port, user }: { host: string; port: number; user: string },
  env: NodeJS.ProcessEnv,
): Promise<string> {
  // The protocol is never sent. One whose usual port is not known leaves every port in the address, which is signed.
  const asked = new URL(`postgres://${host}:${port}/`)
  const parameters = { Action: 'connect', DBUser: user, 'X-Amz-Expires': String(validSeconds) }
  for (const [name, value] of Object.entries(parameters)) asked.searchParams.set(name, value)
  const { url } = await new AwsV4Signer({
    url: asked.href,
    service: 'rds-db',
    signQuery: true,
    ...signerOf(env),
  }).sign()
  return `${url.host}/?${[...url.searchParams]
    .map((pair) => pair.map(encoded).join('='))
    .sort()
    .join('&')}`
}

/** As RFC 3986 wants it, and the signature: a space is `%20`, and `!'()*` are encoded, too. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

/** The region and the credentials of the function's role, which Lambda gives in environment variables. */
function signerOf({
  AWS_REGION,
  AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY,
  AWS_SESSION_TOKEN,
}: NodeJS.ProcessEnv) {
  if (!AWS_REGION || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
    throw new Problem(
      'InternalError',
      'The token for the database cannot be signed: AWS_REGION, AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set. ' +
        'Lambda sets them; outside Lambda, use DATABASE_URL.',
    )
  }
  return {
    region: AWS_REGION,
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
  }
}
