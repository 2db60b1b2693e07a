import type { EventBridgeEvent } from 'aws-lambda'
import type { BatchEnded, ViewFailed } from 'viewkeeper'

type News = EventBridgeEvent<'ViewFailed', ViewFailed> | EventBridgeEvent<'BatchEnded', BatchEnded>

/** Posts failures to a chat that takes `{ text }` at an address of its own, as Slack and Mattermost do. */
export async function handler({ detail }: News): Promise<void> {
  const text = textOf(detail)
  if (text === null) return
  const answer = await fetch(process.env.CHAT_URL as string, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text }),
  })
  // Lambda calls again, so the news is late and not lost.
  if (!answer.ok) throw new Error(`The chat answered ${answer.status}.`)
}

function textOf(event: ViewFailed | BatchEnded): string | null {
  if (event.type === 'ViewFailed')
    return `${event.view} failed in ${event.environment}: ${event.error.message} Type: ${event.next}`
  if (event.status === 'success') return null
  const { success, failed, skipped } = event.views
  return `Batch ${event.batchId} of ${event.environment}: ${success} views refreshed, ${failed} failed, ${skipped} skipped. Type: ${event.next}`
}
