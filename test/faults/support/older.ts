import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { advance } from '../../../src/batch/advance.ts'
import type { startBatch } from '../../../src/batch/start.ts'
import type { fromUrl } from '../../../src/keeper/database-url.ts'
import type { refresh } from '../../../src/run/refresh.ts'
import type { connectTo } from '../../../src/server/connect.ts'

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
