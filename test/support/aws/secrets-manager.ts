import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A secret in memory, and the part of AWS Secrets Manager that a rotation calls, over HTTP. */
export interface FakeSecret {
  url: string
  /** The text of each version. */
  texts: Map<string, string>
  /** The version of each staging label. */
  stages: Map<string, string>
  /** The texts of the versions with these labels. */
  text(stage: string): string | undefined
  close(): void
}

interface Request {
  VersionId?: string
  VersionStage?: string
  ClientRequestToken: string
  SecretString: string
  MoveToVersionId: string
  RemoveFromVersionId: string
}

/** Starts the server with one secret whose current version, `first`, has this text. */
export async function startSecretsManager(first: string): Promise<FakeSecret> {
  const texts = new Map([['first', first]])
  const stages = new Map([['AWSCURRENT', 'first']])
  const notFound = { status: 400, body: { __type: 'ResourceNotFoundException', message: 'no such version' } }
  const operations: Record<string, (request: Request) => { status: number; body: object }> = {
    GetSecretValue({ VersionStage = 'AWSCURRENT', VersionId }) {
      const version = stages.get(VersionStage)
      const text = version === undefined ? undefined : texts.get(version)
      if (text === undefined || (VersionId !== undefined && VersionId !== version)) return notFound
      return { status: 200, body: { VersionId: version, SecretString: text } }
    },
    PutSecretValue({ ClientRequestToken, SecretString }) {
      texts.set(ClientRequestToken, SecretString)
      stages.set('AWSPENDING', ClientRequestToken)
      return { status: 200, body: { VersionId: ClientRequestToken } }
    },
    UpdateSecretVersionStage({ MoveToVersionId, RemoveFromVersionId }) {
      if (stages.get('AWSCURRENT') !== RemoveFromVersionId) return notFound
      stages.set('AWSCURRENT', MoveToVersionId)
      stages.set('AWSPREVIOUS', RemoveFromVersionId)
      return { status: 200, body: {} }
    },
  }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const operation = operations[String(request.headers['x-amz-target']).split('.')[1] ?? '']
    const { status, body } = operation?.(JSON.parse(Buffer.concat(chunks).toString())) ?? {
      status: 400,
      body: { __type: 'UnknownOperationException' },
    }
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body))
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    texts,
    stages,
    text: (stage) => texts.get(stages.get(stage) ?? ''),
    close: () => server.close(),
  }
}
