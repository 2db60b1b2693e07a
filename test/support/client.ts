import { connectTo } from '../../src/db/connect.ts'
import { fromUrl } from '../../src/edge/settings.ts'
import { refresh } from '../../src/operations/refresh.ts'

/** A client to kill: refreshes a view and waits for it. Arguments: database URL, and the request as JSON. */
const [url, request] = process.argv.slice(2) as [string, string]

await refresh(JSON.parse(request), {
  database: connectTo(fromUrl(url)),
  trigger: 'http',
  requestedBy: 'killed client',
  caller: 'killed client',
  idempotencyKey: null,
  waitUntil: Date.now() + 60_000,
})
