import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transformSync } from 'esbuild'
import { pageFolder } from '../src/package-files.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const jsx = { jsx: 'automatic', jsxImportSource: 'hono/jsx' } as const

interface BundledPage {
  /** The texts of the page's files, by name. */
  files: Record<string, string>
  /** The files that were bundled, of ours and of other packages. */
  sources: string[]
}

/**
 * Makes what a browser loads, the script and the style sheet, and what a thread of the server runs, the layout of graphs: each one
 * file, minified, in memory. Nothing is loaded from elsewhere. Throws esbuild's error if the source is broken.
 */
export async function bundlePage(): Promise<BundledPage> {
  const settings = {
    absWorkingDir: root,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    outdir: root,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  } as const
  const bundles = await Promise.all([
    build({
      ...settings,
      entryPoints: { page: join(root, 'page/browser/script.ts') },
      // The bundle of modules has as many comments as code, and no names that a minifier may shorten.
      alias: { idiomorph: 'idiomorph/dist/idiomorph.esm.js' },
    }),
    build({ ...settings, entryPoints: [join(root, 'page/browser/page.css')] }),
    build({ ...settings, entryPoints: [join(root, 'page/pictures/layout.ts')], platform: 'node' }),
  ])
  return {
    files: Object.fromEntries(
      bundles.flatMap(({ outputFiles }) => outputFiles.map(({ path, text }) => [basename(path), text])),
    ),
    sources: bundles.flatMap(({ metafile }) => Object.keys(metafile.inputs).map((path) => join(root, path))),
  }
}

/** Makes the page's files in `folder`, replacing what the folder has. Returns the files that were bundled. */
export async function buildPage(folder = fileURLToPath(pageFolder)): Promise<string[]> {
  const { files, sources } = await bundlePage()
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return sources
}

let runs = false

/** Lets Node import the pages from their sources: it strips types by itself, and knows no JSX. */
export function runJsx(): void {
  if (runs) return
  runs = true
  registerHooks({
    load(url, context, next) {
      if (!url.endsWith('.tsx')) return next(url, context)
      const sourcefile = fileURLToPath(url)
      const { code } = transformSync(readFileSync(sourcefile, 'utf8'), { ...jsx, loader: 'tsx', sourcefile })
      return { format: 'module', source: code, shortCircuit: true }
    },
  })
}

if (import.meta.main) await buildPage()
