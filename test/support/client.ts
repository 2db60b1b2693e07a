import { connectTo } from '../../src/db/server/connect.ts'
import { fromUrl } from '../../src/edge/server/database-url.ts'
import { readFrozenMigrations } from '../../src/files/frozen-migrations.ts'
import { migrateUp } from '../../src/operations/migrations/migrate.ts'
import { refresh } from '../../src/operations/runs/refresh.ts'

/**
 * A client to kill: refreshes a view and waits for it, or applies the migrations of a folder. Arguments: database URL, and
 * the request as JSON, `{ "migrations": "file:///…/" }` for the latter.
 */
const [url, request] = process.argv.slice(2) as [string, string]

const asked = JSON.parse(request)
const database = connectTo(fromUrl(url))
const waitUntil = Date.now() + 60_000

if ('migrations' in asked) {
  await migrateUp(
    { database, trigger: 'cli', requestedBy: 'killed client', waitUntil, withData: true },
    await readFrozenMigrations(new URL(asked.migrations)),
  )
} else {
  await refresh(asked, {
    database,
    trigger: 'http',
    requestedBy: 'killed client',
    caller: 'killed client',
    idempotencyKey: null,
    waitUntil,
  })
}
