import { buffer } from 'node:stream/consumers'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { EventBridgeEvent } from 'aws-lambda'
import postgres from 'postgres'
import type { ViewRefreshed } from 'viewkeeper'

const s3 = new S3Client({ forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined })

/**
 * Writes a view into a bucket as CSV. What is exported is what the view has now, so an event that comes twice or late
 * exports nothing older than the one before.
 */
export async function handler({ detail }: EventBridgeEvent<'ViewRefreshed', ViewRefreshed>): Promise<void> {
  const sql = postgres(process.env.DATABASE_URL as string, { max: 1 })
  try {
    // The event has the name as SQL writes it.
    const rows = await sql
      .unsafe(`copy (table ${detail.view}) to stdout with (format csv, header)`)
      .readable()
    await s3.send(
      new PutObjectCommand({
        Bucket: process.env.BUCKET,
        Key: `${detail.environment}/${detail.view}.csv`,
        Body: await buffer(rows),
        ContentType: 'text/csv',
        Metadata: { run: String(detail.runId), at: detail.at },
      }),
    )
  } finally {
    await sql.end()
  }
}
