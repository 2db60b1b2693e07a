import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { pageFolder } from '../src/package-files.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const app = join(root, 'page/app')

interface BundledPage {
  /** The texts of the page's files, by name. */
  files: Record<string, string>
  /** The files that were bundled, of ours and of other packages. */
  sources: string[]
}

/**
 * Makes the page from `page/app/` in memory: `index.html`, a script from `main.tsx`, the scripts that it loads later for
 * other pages and graphs, `chunk.js` with what they share, and one style sheet from `page.css`, each minified. Nothing is
 * loaded from elsewhere. Throws esbuild's error if the source is broken.
 */
export async function bundlePage(): Promise<BundledPage> {
  const settings = {
    absWorkingDir: root,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    outdir: app,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    define: { 'process.env.NODE_ENV': '"production"' },
    legalComments: 'none',
    logLevel: 'silent',
  } as const
  const [html, ...bundles] = await Promise.all([
    readFile(join(app, 'index.html'), 'utf8'),
    build({
      ...settings,
      entryPoints: { page: join(app, 'main.tsx') },
      splitting: true,
      chunkNames: '[name]',
    }),
    build({ ...settings, entryPoints: [join(app, 'page.css')] }),
  ])
  const made = bundles.flatMap(({ outputFiles }) => outputFiles)
  return {
    files: {
      'index.html': html,
      ...Object.fromEntries(made.map(({ path, text }) => [path.slice(app.length + 1), text])),
    },
    sources: bundles.flatMap(({ metafile }) => Object.keys(metafile.inputs).map((path) => join(root, path))),
  }
}

/** Makes the page in `folder`, replacing what the folder has. Returns the files that were bundled. */
export async function buildPage(folder = fileURLToPath(pageFolder)): Promise<string[]> {
  const { files, sources } = await bundlePage()
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return sources
}

if (import.meta.main) await buildPage()
