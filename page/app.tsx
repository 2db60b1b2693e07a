import { type Context, Hono } from 'hono'
import { compress } from 'hono/compress'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { etag } from 'hono/etag'
import { html, raw } from 'hono/html'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Run } from '../src/api/answers.ts'
import { type Api, readRun } from '../src/api/ask.ts'
import { isOpen } from '../src/resources/cell.ts'
import type { CommandTarget } from '../src/words/commands.ts'
import { forPeople } from '../src/words/for-people.ts'
import { duration, rows } from '../src/words/phrases.ts'
import { Problem, runbookOf, statusOf, titleOf } from '../src/words/problem.ts'
import { hrefOf, type PageName, type PageQuery, tokenCookie } from './address.ts'
import { deeds } from './deeds.ts'
import {
  Document,
  Failure,
  Head,
  type PageNotice,
  type PageTarget,
  type Question,
  type ShownPage,
  SignIn,
} from './frame.tsx'
import { batchesPage, batchPage, graphPage } from './pages/batches.tsx'
import { actionsPage, runPage, runsPage } from './pages/runs.tsx'
import { viewPage } from './pages/view.tsx'
import { viewsPage } from './pages/views.tsx'

export type { PageTarget } from './frame.tsx'

/** What a page is asked: what it is about, the query of its address, and how commands name the API. */
interface AskedOfPage {
  subject: string
  query: PageQuery
  typed: CommandTarget
}

type PageOf = (api: Api, asked: AskedOfPage) => Promise<ShownPage>

const pages: [path: string, name: PageName, page: PageOf][] = [
  ['/', 'views', viewsPage],
  ['/page/views/:subject{[\\s\\S]+}', 'view', viewPage],
  ['/page/graph', 'graph', graphPage],
  ['/page/batches', 'batches', batchesPage],
  ['/page/batches/:subject', 'batch', batchPage],
  ['/page/runs', 'runs', runsPage],
  ['/page/runs/:subject', 'run', runPage],
  ['/page/actions', 'actions', actionsPage],
]

/** What serves the page: who asks, and for one request what a deed has said or asks. */
export interface Door {
  /** The API as whoever sends the request may use it; `token` is the one that they have signed in with. */
  apiOf(token: string | undefined): Api
  notice?: PageNotice
  question?: Question & { fields: [name: string, value: string][] }
}

interface AppOptions {
  target: () => PageTarget & { typed?: CommandTarget | undefined }
  /** The script and the style sheet. */
  files: Record<'page.js' | 'page.css', string>
  /** Where the pages stand: `/`. */
  base?: string
  /** Whether people sign in here, with a token that a cookie keeps. */
  signsIn?: boolean
  /** Hears of a defect of a page. */
  onDefect: (error: unknown) => void
}

/** What turns the direction of writing or cannot be seen: a page never has it, in no text of others and in no attribute. */
const unseen = /(?![\n\t\r])\p{Cc}|[\p{Bidi_Control}\u2028\u2029]/gu

type PageContext = Context<{ Bindings: Door }>

/** The page runs its own script, uses its own style sheet, talks to its own server, and is framed by nobody. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * The pages as an application: each is made of what the API answers, and each deed is a form. A page shows what the caller may
 * read, and nothing is kept between two requests.
 */
export function pagesOf({
  target,
  files,
  base = '/',
  signsIn = false,
  onDefect,
}: AppOptions): Hono<{ Bindings: Door }> {
  const app = new Hono<{ Bindings: Door }>().basePath(base)
  const cookies = { path: base, httpOnly: true, sameSite: 'Lax' } as const
  app.use(compress(), async (context, next) => {
    await next()
    context.header('content-security-policy', policy)
    context.header('cross-origin-opener-policy', 'same-origin')
    // Without it, a browser says of a form only that it comes from somewhere.
    context.header('referrer-policy', 'same-origin')
    context.header('cache-control', context.res.headers.has('etag') ? 'no-cache' : 'no-store')
  })
  app.onError((error, context) => {
    onDefect(error)
    return context.text('Something went wrong in this page.', 500)
  })

  const show = async (
    context: PageContext,
    current: PageName | undefined,
    make: () => Promise<ShownPage>,
    status = 200,
  ) => {
    const { env, req } = context
    const place = placeOf(req.url)
    const told = req.query('told')
    let { notice } = env
    let shown: ShownPage
    try {
      // A run that is no longer on record is nothing to tell of.
      const run = notice || !told ? undefined : await readRun(apiOf(context), told).catch(() => undefined)
      notice ??= run && endOf(run)
      const made = await make()
      shown = { ...made, busy: made.busy || (run !== undefined && isOpen(run.status)) }
      // Made here, and not while it is sent: a graph that cannot be drawn is an error like any other.
      shown.main = raw(await (made.main as { toString(): string | Promise<string> }).toString())
    } catch (thrown) {
      const problem = problemOf(thrown, onDefect)
      status = problem.status
      shown = {
        title: problem.title,
        main:
          signsIn && problem.code === 'Unauthenticated' ? (
            <SignIn why={problem.text} />
          ) : (
            <>
              <Head title={forPeople(decoded(place.pathname.split('/').at(-1)!)) || 'Views'} />
              <Failure {...problem} />
            </>
          ),
      }
    }
    const here = `${place.pathname.slice(base.length)}${place.search}` || './'
    const isSignedIn = getCookie(context, tokenCookie) !== undefined
    const page = (
      <Document
        {...shown}
        {...{ target: target(), base, here, current, isSignedIn, notice, question: env.question }}
      />
    )
    const whole = String(await html`<!doctype html>${page}`)
    return context.html(whole.replace(unseen, '\uFFFD'), status as ContentfulStatusCode)
  }

  for (const [path, name, page] of pages)
    app.get(path, (context: PageContext) =>
      show(context, name, () => {
        const { req } = context
        const query: PageQuery = req.query()
        return page(apiOf(context), {
          subject: req.param('subject') ?? '',
          query,
          typed: target().typed ?? null,
        })
      }),
    )

  // A form is sent to the page that it stands on, so that what comes of it is shown there, with a script and without.
  app.post('*', async (context: PageContext) => {
    const { req } = context
    const place = placeOf(req.url)
    const again = async (said: Pick<Door, 'notice' | 'question'>, status = 200) => {
      const page = await app.fetch(new Request(place, { headers: req.raw.headers }), {
        ...context.env,
        ...said,
      })
      return status === 200 || page.status !== 200
        ? page
        : new Response(page.body, { status, headers: page.headers })
    }
    const goTo = (where: string) => context.redirect(where, 303)
    const here = place.pathname + place.search
    try {
      const { origin, 'sec-fetch-site': site, 'x-forwarded-proto': scheme } = req.header()
      // Both are compared where the request comes in. Every browser that has neither is older than the page.
      if (origin === undefined && site !== 'same-origin') throw new Problem('NotAllowed', noOrigin)
      const form = await req.formData().catch(() => {
        throw new Problem('InvalidRequest', 'What was sent is no form of this page.')
      })
      const fields = [...form].filter((field): field is [string, string] => typeof field[1] === 'string')
      const get = (name: string) => fields.find(([each]) => each === name)?.[1]
      const does = get('does') ?? ''
      if (signsIn && does === 'sign-in') {
        const secure = (origin ?? scheme ?? '').startsWith('https')
        setCookie(context, tokenCookie, get('token') ?? '', { ...cookies, secure })
        return goTo(here)
      }
      if (does === 'sign-out') {
        deleteCookie(context, tokenCookie, cookies)
        return goTo(base)
      }
      const deed = Object.hasOwn(deeds, does) ? deeds[does] : undefined
      if (deed === undefined) throw new Problem('UnknownRoute', `The page has no deed ${does}.`)
      const views = fields.filter(([name]) => name === 'view').map(([, value]) => value)
      const done = await deed(apiOf(context), { get, views })
      if ('ask' in done) return again({ question: { ...done.ask, fields } })
      if ('said' in done)
        return again({ notice: { tone: done.bad ? 'bad' : 'good', text: forPeople(done.said) } })
      if ('to' in done) return goTo(base + done.to)
      place.searchParams.set('told', String(done.run))
      return goTo(place.pathname + place.search)
    } catch (thrown) {
      const { title, text, code, status, link } = problemOf(thrown, onDefect)
      const more = code && runbookOf(code)
      return again({ notice: { tone: 'bad', text: forPeople(`${title}. ${text}`), more, link } }, status)
    }
  })

  app.get('/page/:file{page\\.(js|css)}', etag(), (context) => {
    const file = context.req.param('file') as 'page.js' | 'page.css'
    return context.body(files[file], 200, {
      'content-type': `text/${file === 'page.js' ? 'javascript' : 'css'}; charset=utf-8`,
    })
  })

  app.notFound((context) =>
    show(
      context as PageContext,
      undefined,
      async () => ({
        title: 'No such page',
        main: (
          <>
            <Head title="No such page" />
            <p>
              No page has the address <code>{placeOf(context.req.url).pathname}</code>.{' '}
              <a href={hrefOf('views')}>All views</a>
            </p>
          </>
        ),
      }),
      404,
    ),
  )
  return app
}

const apiOf = (context: PageContext): Api => context.env.apiOf(getCookie(context, tokenCookie))

/**
 * The page of a request, without what it tells. The host may be none at all, and a path that begins with two slashes would be the address of
 * another server.
 */
function placeOf(address: string): URL {
  const place = new URL(`http://page${address.slice(address.indexOf('/', 'https://'.length))}`)
  place.pathname = place.pathname.replace(/^\/+/, '/')
  place.searchParams.delete('told')
  return place
}

const noOrigin =
  'A form is sent from a page of this server. This one does not say where it comes from. Programs ask the API.'

/** What came of a run, or that it goes on. */
function endOf({ id, view, status, durationMs, rowCountAfter, error, result }: Run): PageNotice {
  const link = { href: hrefOf('run', id), text: `run ${id}` }
  if (isOpen(status)) return { tone: 'busy', text: forPeople(`${view}: run ${id} has started`), link }
  const counted = rowCountAfter === null ? '' : `, ${rows(rowCountAfter)}`
  const said =
    status === 'success'
      ? `done after ${duration(durationMs ?? 0)}${counted}`
      : `${status}. ${error?.message ?? result.response.because ?? ''}`
  return {
    tone: status === 'failed' ? 'bad' : 'good',
    text: forPeople(`${view}: ${said}`),
    more: error ? runbookOf(error.class) : undefined,
    link,
  }
}

interface Told {
  status: number
  title: string
  text: string
  /** The section of the runbook; undefined for what the API does not know of. */
  code: string | undefined
  link: PageNotice['link']
}

/** Why a page cannot be shown, or a deed was not done. What is no Problem is told to `onDefect` alone: it may quote rows. */
function problemOf(thrown: unknown, onDefect: (error: unknown) => void): Told {
  if (!(thrown instanceof Problem)) {
    onDefect(thrown)
    const text = 'The log of what serves this page says what. Reload the page.'
    return { status: 500, title: 'Something went wrong in this page', text, code: undefined, link: undefined }
  }
  const { code, message: text, details } = thrown
  const { openBatchId } = details
  const run = details.runningRunId ?? details.runId
  const link = openBatchId
    ? { href: hrefOf('batch', openBatchId), text: `batch ${openBatchId}` }
    : run
      ? { href: hrefOf('run', run), text: `run ${run}` }
      : undefined
  // The API could not be had: only the side of the caller knows why, and its words say what to do.
  const { status, title } = thrown as Partial<Told>
  if (status !== undefined && title !== undefined) return { status, title, text, code: undefined, link }
  return { status: statusOf(code), title: titleOf(code), text, code, link }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // somebody typed a stray %
  }
}
