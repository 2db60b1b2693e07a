import type { IncomingMessage } from 'node:http'

/** API Gateway takes no larger body. */
const largestBody = 10 * 1024 * 1024

/** The whole body; undefined if it is larger than API Gateway allows. */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    // A large body is read to its end, too: a client that is still sending would not see the answer.
    if (size <= largestBody) chunks.push(chunk)
  }
  return size <= largestBody ? Buffer.concat(chunks) : undefined
}
