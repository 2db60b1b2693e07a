import { Sha256 } from '@smithy/core/checksum'
import { buildQueryString, HttpRequest } from '@smithy/core/protocols'
import { SignatureV4 } from '@smithy/signature-v4'
import { Problem } from '../../problem.ts'

/** RDS accepts a token for 15 minutes. RDS looks at the token only while a connection opens. */
const validSeconds = 900

/** A signed request to connect, without its protocol: `host:5432/?Action=connect&DBUser=…&X-Amz-Signature=…`. */
export async function signToken(
  { host, port, user }: { host: string; port: number; user: string },
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const address = `${host}:${port}`
  const signer = new SignatureV4({ service: 'rds-db', sha256: Sha256, ...signerOf(env) })
  const { query } = await signer.presign(
    new HttpRequest({
      hostname: host,
      port,
      query: { Action: 'connect', DBUser: user },
      headers: { host: address },
    }),
    { expiresIn: validSeconds },
  )
  return `${address}/?${buildQueryString(query ?? {})}`
}

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
    credentials: {
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
    },
  }
}
