import { fromUrl } from '../../../src/keeper/database-url.ts'
import { readFrozenMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { muchLater } from '../waiting/until.ts'

/**
 * A process to kill: refreshes a view and waits for the end, or applies the migrations of a folder.
 * Arguments: database URL, and as JSON a refresh request or `{ "migrations": "file:///…/" }`.
 */
const [url, request] = process.argv.slice(2) as [string, string]

const requested = JSON.parse(request)
const database = connectTo(fromUrl(url))
const waitUntil = muchLater()

if ('migrations' in requested) {
  await migrateUp(
    { database, trigger: 'cli', requestedBy: 'killed client', waitUntil, withData: true },
    await readFrozenMigrations(new URL(requested.migrations)),
  )
} else {
  await refresh(requested, {
    database,
    trigger: 'http',
    requestedBy: 'killed client',
    caller: 'killed client',
    idempotencyKey: null,
    waitUntil,
  })
}
