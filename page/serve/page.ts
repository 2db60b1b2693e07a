import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pageBuilder, pageFolder } from '../../src/package-files.ts'
import { fileOf, type PageFiles, type PageTarget, withTarget } from './files.ts'

/**
 * The files of the page, without the one that says which API it talks to. The repository has the page's source, so there
 * the page is made from it, in memory; the installed package has the page as `npm run build` has made it.
 */
export async function readPage(): Promise<Omit<PageFiles, '/page.json'>> {
  const textOf = existsSync(pageBuilder) ? await bundled() : built
  const code = async (name: string) => fileOf('text/javascript; charset=utf-8', await textOf(name))
  return {
    '/': fileOf('text/html; charset=utf-8', await textOf('index.html')),
    '/page.js': await code('page.js'),
    '/page.css': fileOf('text/css; charset=utf-8', await textOf('page.css')),
    '/chunk.js': await code('chunk.js'),
    '/other-pages.js': await code('other-pages.js'),
    '/layout.js': await code('layout.js'),
  }
}

type TextOf = (name: string) => Promise<string>

const built: TextOf = (name) => readFile(new URL(name, pageFolder), 'utf8')

async function bundled(): Promise<TextOf> {
  // The address is no literal, so that the package's code stays without the bundler.
  const { bundlePage } = (await import(pageBuilder.href)) as typeof import('../../build/page.ts')
  const { files } = await bundlePage()
  return async (name) => files[name]!
}

/** The page for one API, made when it is first asked for. What it says of the API is read each time. */
export function pageFor(target: () => PageTarget): () => Promise<PageFiles> {
  let made: ReturnType<typeof readPage> | undefined
  return async () => {
    made ??= readPage()
    // A source that was broken may be mended by the next request.
    made.catch(() => {
      made = undefined
    })
    return withTarget(await made, target())
  }
}
