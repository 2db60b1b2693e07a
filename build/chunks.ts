import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Metafile } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A file of a function's folder. */
interface Chunk {
  path: string
  /** The files of the repository and of packages that the chunk has parts of, relative to the repository. */
  sources: string[]
}

/**
 * What Node loads with a function before the first call: `index.mjs`, and the chunks that it imports. Each of `entries` (files
 * of `src/` that are loaded lazily; those that the function does not have are left out) is loaded with its chunks, too.
 */
export function chunksOf({ outputs }: Metafile, entries: string[] = []): Chunk[] {
  const loaded = new Set<string>()
  const load = (path: string): void => {
    if (loaded.has(path)) return
    loaded.add(path)
    for (const { path: next, kind, external } of outputs[path]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) load(next)
  }
  for (const [path, { entryPoint }] of Object.entries(outputs))
    if (entryPoint?.startsWith('functions/') || entries.includes(entryPoint ?? '')) load(path)
  return [...loaded].map((path) => ({
    path: join(root, path),
    sources: Object.entries(outputs[path]?.inputs ?? {}).flatMap(([source, { bytesInOutput }]) =>
      bytesInOutput > 0 ? [source] : [],
    ),
  }))
}
