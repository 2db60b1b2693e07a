import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { fileOf, type PageFiles, type PageTarget, withTarget } from './files.ts'

const app = fileURLToPath(new URL('../app/', import.meta.url))

/**
 * Makes the page from `page/app/` in memory: `index.html`, a script from `main.tsx`, the scripts that it loads only for
 * graphs and for plots, and one style sheet from `page.css`, each minified. Nothing is loaded from elsewhere. Throws
 * esbuild's error if the source is broken.
 */
export async function bundlePage(): Promise<Omit<PageFiles, '/page.json'>> {
  // Loaded only now: most commands and requests need no page.
  const { build } = await import('esbuild')
  const settings = {
    bundle: true,
    minify: true,
    write: false,
    outdir: app,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    define: { 'process.env.NODE_ENV': '"production"' },
    legalComments: 'none',
    logLevel: 'silent',
  } as const
  const [html, script, style] = await Promise.all([
    readFile(`${app}index.html`, 'utf8'),
    build({ ...settings, entryPoints: { page: `${app}main.tsx` }, splitting: true, chunkNames: '[name]' }),
    build({ ...settings, entryPoints: [`${app}page.css`] }),
  ])
  const outputs = [...script.outputFiles, ...style.outputFiles]
  const textOf = (name: string) => outputs.find(({ path }) => path.endsWith(`/${name}`))!.text
  const code = (name: string) => fileOf('text/javascript; charset=utf-8', textOf(name))
  return {
    '/': fileOf('text/html; charset=utf-8', html),
    '/page.js': code('page.js'),
    '/page.css': fileOf('text/css; charset=utf-8', textOf('page.css')),
    '/layout.js': code('layout.js'),
    '/plotter.js': code('plotter.js'),
  }
}

/** The page for one API, made when it is first asked for. */
export function pageFor(target: PageTarget): () => Promise<PageFiles> {
  let made: Promise<PageFiles> | undefined
  return () => {
    made ??= bundlePage().then((files) => withTarget(files, target))
    // A source that was broken may be mended by the next request.
    made.catch(() => {
      made = undefined
    })
    return made
  }
}
