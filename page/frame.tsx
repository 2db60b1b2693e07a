import type { Child, FC, PropsWithChildren } from 'hono/jsx'
import { eventTypes } from '../src/words/event.ts'
import { runbookOf } from '../src/words/problem.ts'
import { hrefOf, type PageName, pages } from './address.ts'
import { Deed } from './cells.tsx'

/** Which API the page shows. */
export interface PageTarget {
  /** `production`, or the address of the gateway. */
  name: string
  /** Null: no environment. */
  environment: string | null
  url: string
  /** Whether `GET /events` streams events. */
  events?: true | undefined
}

/** What a page is made of. */
export interface ShownPage {
  title: string
  main: Child
  /** Whether something goes on that the page shows, so that it is worth looking often. */
  busy?: boolean
}

/** What the page tells about something that was done, or that went wrong. */
export interface PageNotice {
  tone: 'good' | 'bad' | 'busy'
  text: Child
  /** What to do about it. */
  more?: string | undefined
  link?: { href: string; text: string } | undefined
}

/** What is asked before something is done that hurts. */
export interface Question {
  title: string
  text: string
  /** The word on the button that does it. */
  yes: string
}

interface DocumentOptions extends ShownPage {
  target: PageTarget
  /** Where the pages stand: `/`. */
  base: string
  /** The address of this page, below `base`. */
  here: string
  current: PageName | undefined
  isSignedIn: boolean
  notice: PageNotice | undefined
  /** With the fields of the form that asked, which is sent again. */
  question: (Question & { fields: [name: string, value: string][] }) | undefined
}

/** A whole page: the head with what it shows, its content, what it tells, and what it asks. */
export const Document: FC<DocumentOptions> = (options) => {
  const { title, main, busy, target, base, here, current, isSignedIn, notice, question } = options
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} · ${target.environment ?? 'local'} · Viewkeeper`}</title>
        <base href={base} />
        <link rel="icon" href={icon} />
        <link rel="stylesheet" href="page/page.css" />
        <script type="module" src="page/page.js" />
      </head>
      <body
        data-busy={busy ? '' : undefined}
        data-events={target.events ? [...eventTypes, 'changes'].join(' ') : undefined}
      >
        <a class="skip" href={`${here}#main`}>
          Skip to the content
        </a>
        <Header {...{ current, target, isSignedIn }} />
        <div role="alert" id="silence" hidden>
          <div class="strip strip-bad">
            <p>
              <strong>No answer.</strong> The server of this page does not answer. Does viewkeeper open, dev
              or serve still run? What you see is of{' '}
              <time class="moment" datetime={new Date().toISOString()} />.
            </p>
            <button type="button">Try again now</button>
          </div>
        </div>
        <main id="main" tabindex={-1}>
          {main}
        </main>
        <div class="notices" role="status">
          {notice && <Told notice={notice} close={here} />}
        </div>
        {question && <Asked {...question} />}
        <Keys />
      </body>
    </html>
  )
}

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%230f766e'/%3E%3Cpath d='M3.5 5.5 8 11.5l4.5-6' fill='none' stroke='white' stroke-width='2' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E"

/** The head of every page: which environment this is, and where one can go. */
const Header: FC<Pick<DocumentOptions, 'current' | 'target' | 'isSignedIn'>> = ({
  current,
  target,
  isSignedIn,
}) => (
  <header>
    <a class="brand" href="./" aria-label="Viewkeeper, all views">
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <rect width="16" height="16" rx="4" />
        <path d="M3.5 5.5 8 11.5l4.5-6" />
      </svg>
      <span>Viewkeeper</span>
    </a>
    <span class="target" title={target.url}>
      {target.environment ?? 'local'}
    </span>
    <nav aria-label="Pages">
      {pages.map(({ list, item, title }) => (
        <a href={hrefOf(list)} aria-current={current === list || current === item ? 'page' : undefined}>
          {title}
        </a>
      ))}
    </nav>
    {isSignedIn && (
      <Deed does="sign-out" kind="quiet">
        Sign out
      </Deed>
    )}
    <button
      type="button"
      class="quiet by-script"
      aria-label="Keys"
      aria-keyshortcuts="?"
      popovertarget="keys"
    >
      ?
    </button>
  </header>
)

/** What was done and what went wrong, at the foot of the page; a screen reader reads it when it comes. */
const Told: FC<{ notice: PageNotice; close: string }> = ({ notice: { tone, text, more, link }, close }) => (
  <div class={`notice notice-${tone}`}>
    <p>
      {text} {link && <a href={link.href}>{link.text}</a>}
      {more && <small>{more}</small>}
    </p>
    <a class="close" href={close} aria-label="Close this notice">
      ×
    </a>
  </div>
)

/** A question, and the form that is sent again if the answer is yes. Escape says no. */
const Asked: FC<NonNullable<DocumentOptions['question']>> = ({ title, text, yes, fields }) => (
  <dialog id="asked" open aria-labelledby="asks">
    <h2 id="asks">{title}</h2>
    <p>{text}</p>
    <div class="buttons">
      <form method="dialog">
        <button>Go back</button>
      </form>
      <form method="post">
        {fields.map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <input type="hidden" name="sure" value="yes" />
        <button class="danger">{yes}</button>
      </form>
    </div>
  </dialog>
)

const keys = {
  '/': 'search',
  r: 'refresh the view, or retry what failed; in the list of views, the row that has the focus',
  '?': 'show these keys',
}

/** What single keys do. Somebody who dictates says them by chance, and puts them off. */
const Keys = () => (
  <dialog id="keys" popover="auto" aria-labelledby="keys-are">
    <h2 id="keys-are">Keys</h2>
    <dl class="keys">
      {Object.entries(keys).map(([key, does]) => (
        <div>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{does}</dd>
        </div>
      ))}
    </dl>
    <label>
      <input type="checkbox" checked /> Single keys work on this page
    </label>
    <div class="buttons">
      <button type="button" popovertarget="keys">
        Close
      </button>
    </div>
  </dialog>
)

/** The heading of a page, with what stands beside it, and what can be done. */
export const Head: FC<PropsWithChildren<{ title: Child; beside?: Child }>> = ({
  title,
  beside,
  children,
}) => (
  <div class="head">
    <div>
      <h1 tabindex={-1}>{title}</h1>
      {beside}
    </div>
    {children}
  </div>
)

/** A question for a token, from a server that wants one. */
export const SignIn: FC<{ why: string }> = ({ why }) => (
  <>
    <Head title="Sign in" />
    <form class="strip strip-bad" method="post">
      <input type="hidden" name="does" value="sign-in" />
      <label>
        {why} <input name="token" type="password" autocomplete="current-password" />
      </label>
      <button>Use</button>
    </form>
  </>
)

/** Why something cannot be shown, and what to do. */
export const Failure: FC<{ title: string; text?: string; code?: string | undefined }> = ({
  title,
  text,
  code,
}) => (
  <div class="failure" role="alert">
    <strong>{title}</strong>
    {text && <p>{text}</p>}
    {code && <p class="hint">{runbookOf(code)}</p>}
  </div>
)
