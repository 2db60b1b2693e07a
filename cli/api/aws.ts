import { SSMClient } from '@aws-sdk/client-ssm'
import { Sha256 } from '@smithy/core/checksum'
import { loadSharedConfigFiles } from '@smithy/core/config'
import { HttpRequest } from '@smithy/core/protocols'
import { SignatureV4 } from '@smithy/signature-v4'
import { clientSettings } from '../../src/api/lambda/aws-client.ts'
import { Problem } from '../../src/words/problem.ts'
import { ApiUnavailable, howToSignIn } from './api.ts'
import type { AddressedRequest } from './client.ts'

/** Reads the parameters of a region. Undefined: the region of the AWS credentials. */
export const parametersOf = (region: string | undefined): SSMClient =>
  new SSMClient({ region, ...clientSettings({ requestMs: 10_000, attempts: 2 }) })

/** The caller's AWS credentials in one region. */
export interface Signer {
  /** The request as a service of AWS takes it: its headers with a signature (Signature Version 4). */
  sign(request: AddressedRequest): Promise<AddressedRequest>
  /** The service does not take the credentials: the next request looks them up anew, as after credentials that failed. */
  outdate(): void
}

/**
 * Signs for a service, by default API Gateway, with the credentials that the AWS SDK finds: environment variables, profiles, SSO, the role of a machine. The SDK
 * fetches them again when they are about to expire.
 */
export function signerOf(region: string | undefined, service = 'execute-api'): Signer {
  let { config } = parametersOf(region)
  let isOutdated = false
  return {
    outdate() {
      isOutdated = true
    },
    async sign(request) {
      if (isOutdated) {
        // The SDK remembers what the files in ~/.aws contained.
        await loadSharedConfigFiles({ ignoreCache: true })
        config = parametersOf(region).config
        isOutdated = false
      }
      const { method, headers, body } = request
      const url = withPlainQuery(request.url)
      const signer = new SignatureV4({
        service,
        region: config.region,
        credentials: config.credentials,
        sha256: Sha256,
      })
      const signed = await signer
        .sign(
          new HttpRequest({
            method,
            protocol: url.protocol,
            hostname: url.hostname,
            path: url.pathname,
            query: queryOf(url),
            headers: { ...headers, host: url.host },
            body,
          }),
        )
        .catch((error: Error) => {
          isOutdated = true
          throw awsProblem(error)
        })
      // `fetch` writes the host of the URL, which is the signed one.
      const { host: _host, ...withSignature } = signed.headers
      return { ...request, url, headers: withSignature }
    },
  }
}

/** Browsers write a space as `+`, which not every program that checks a signature reads as a space. */
function withPlainQuery(url: URL): URL {
  const plain = new URL(url)
  plain.search = url.search.replaceAll('+', '%20')
  return plain
}

function queryOf({ searchParams }: URL): Record<string, string | string[]> {
  const names = [...new Set(searchParams.keys())]
  return Object.fromEntries(
    names.map((name) => {
      const values = searchParams.getAll(name)
      return [name, values.length === 1 ? (values[0] as string) : values]
    }),
  )
}

/** An error of the AWS SDK, in words for the caller. An error with another cause stays as it is. */
export function awsProblem(error: Error): Error {
  const { name, message } = error
  if (message.includes('Region is missing'))
    return new Problem(
      'InvalidRequest',
      'The AWS region is not known. Set `region` of the environment in viewkeeper.config.ts, or AWS_REGION.',
      { field: 'AWS_REGION' },
    )
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError' || refused.includes(name))
    return new ApiUnavailable(
      'NoCredentials',
      `There are no valid AWS credentials: ${firstLine(message)} ${howToSignIn()}`,
      error,
    )
  const { code } = error as { code?: string }
  if (name === 'TimeoutError' || code !== undefined)
    return new ApiUnavailable(
      'NotReached',
      `AWS Systems Manager, which knows the environments, cannot be reached (${code ?? name}). Look at the network and at the region.`,
      error,
    )
  return error
}

/** How services of AWS name credentials that are unknown, wrong or too old. */
const refused = [
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'RequestExpired',
]

const firstLine = (text: string): string => (text.split('\n')[0] ?? '').replace(/\.?$/, '.')
