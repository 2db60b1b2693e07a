import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { fileOf, type PageFiles, type PageTarget, withTarget } from './files.ts'

const app = fileURLToPath(new URL('../app/', import.meta.url))

/**
 * Makes the page from `page/app/` in memory: `index.html`, one script from `main.tsx` and one style sheet from
 * `page.css`, each minified. Nothing is loaded from elsewhere. Throws esbuild's error if the source is broken.
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
    build({ ...settings, entryPoints: [`${app}main.tsx`] }),
    build({ ...settings, entryPoints: [`${app}page.css`] }),
  ])
  const outputs = [...script.outputFiles, ...style.outputFiles]
  const textOf = (ending: string) =>
    outputs
      .filter(({ path }) => path.endsWith(ending))
      .map(({ text }) => text)
      .join('')
  return {
    '/': fileOf('text/html; charset=utf-8', html),
    '/page.js': fileOf('text/javascript; charset=utf-8', textOf('.js')),
    '/page.css': fileOf('text/css; charset=utf-8', textOf('.css')),
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
