import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import type { Api } from '../../src/api/ask.ts'
import { pageBuilder, pageFolder } from '../../src/package-files.ts'
import type { CommandTarget } from '../../src/sql/commands.ts'
import type { Door, PageTarget } from '../app.tsx'

export interface PageOptions {
  /** Which API the page shows, and how a command names it. What is said is read each time. */
  target: () => PageTarget & { typed?: CommandTarget | undefined }
  /** The API as whoever sends this request may use it; `token` is the one that they have signed in with. */
  apiOf: (request: IncomingMessage, token: string | undefined) => Api
  /** Where the pages stand. Default: `/`. */
  base?: string
  /** Whether people sign in here, with a token that a cookie keeps. */
  signsIn?: boolean
  /** Hears of a defect of a page. */
  onDefect: (error: unknown) => void
}

/** Whether a request is for a page, or comes from one of its forms. */
export const asksForPage = (
  { method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>,
  base = '/',
): boolean =>
  (method === 'GET' || method === 'POST') &&
  url.startsWith(base) &&
  /^($|\?|page\/)/.test(url.slice(base.length))

/**
 * Answers what asks for a page. The repository has the pages as JSX, which Node does not run, and the script as TypeScript: there both
 * are made when they are first asked for. The installed package has them as `npm run build` has made them.
 */
export function pageFor({ apiOf, ...options }: PageOptions) {
  const answer = onceDone(async () => {
    const files = await loaded()
    const { pagesOf } = await import('../app.tsx')
    const app = pagesOf({ ...options, files })
    return getRequestListener(
      async (request, env) => {
        const door: Door = { apiOf: (token) => apiOf((env as HttpBindings).incoming, token) }
        return app.fetch(request, door)
      },
      { overrideGlobalObjects: false },
    )
  })
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> =>
    (await answer())(request, response) as Promise<void>
}

/** The files that a browser loads. */
type Files = Record<'page.js' | 'page.css', string>

/** They are the same for all pages of a process. */
const loaded = onceDone(() => (existsSync(pageBuilder) ? bundled() : built()))

async function built(): Promise<Files> {
  const textOf = (name: string) => readFile(new URL(name, pageFolder), 'utf8')
  return { 'page.js': await textOf('page.js'), 'page.css': await textOf('page.css') }
}

async function bundled(): Promise<Files> {
  // The address is no literal, so that the package's code stays without the bundler.
  const { bundlePage, runJsx } = (await import(pageBuilder.href)) as typeof import('../../build/page.ts')
  runJsx()
  return (await bundlePage()).files as Files
}

/** What `make` gives, made once. A source that was broken may be mended by the next call. */
function onceDone<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    made.catch(() => {
      made = undefined
    })
    return made
  }
}
