import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { connectTo } from '../../../src/db/server/connect.ts'
import type { fromUrl } from '../../../src/edge/lambda/database-url.ts'
import type { advance } from '../../../src/operations/batches/advance.ts'
import type { startBatch } from '../../../src/operations/batches/start.ts'
import type { refresh } from '../../../src/operations/runs/refresh.ts'

/** What an older version does, as far as these tests call it. */
export interface Functions {
  connectTo: typeof connectTo
  fromUrl: typeof fromUrl
  advance: typeof advance
  startBatch: typeof startBatch
  refresh: typeof refresh
}

/**
 * The operations of an older version, from before runs had `as_of`. They were built of commit 40abd8ec by
 * `esbuild --bundle --platform=node --format=esm --minify`, from a file that exports these five from `src`.
 */
export async function loadOlder(): Promise<Functions> {
  const file = join(mkdtempSync(join(tmpdir(), 'viewkeeper-older-')), 'older.mjs')
  writeFileSync(file, gunzipSync(readFileSync(new URL('older.mjs.gz', import.meta.url))))
  return import(pathToFileURL(file).href)
}
