import type { EventBridgeEvent } from 'aws-lambda'
import type { ViewRefreshed } from 'viewkeeper'

/** Has a cache forget what it made of a view: a web server's, a CDN's, or your own. */
export async function handler({ detail }: EventBridgeEvent<'ViewRefreshed', ViewRefreshed>): Promise<void> {
  // To forget once more does no harm, so it does not matter that an event may come twice.
  const url = `${process.env.CACHE_URL}/${encodeURIComponent(detail.view)}`
  const answer = await fetch(url, { method: 'PURGE' })
  if (!answer.ok) throw new Error(`The cache answered ${answer.status} for ${detail.view}.`)
}
