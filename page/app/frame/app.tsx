import { useEffect, useState } from 'preact/hooks'
import { hashOf } from '../address/address.ts'
import { usePlace } from '../address/use-place.ts'
import { target as shownTarget, type Target } from '../api/target.ts'
import { listenToNews } from '../live/news.ts'
import { lookSoon, tab, useGet } from '../live/use-live.ts'
import { Heading } from '../parts/heading.tsx'
import { ViewPage } from '../view/view-page.tsx'
import { ViewsPage } from '../views/views-page.tsx'
import { Ask } from './ask.tsx'
import { Connection } from './connection.tsx'
import { Header } from './header.tsx'
import { KeysHelp } from './keys-help.tsx'
import { Notices } from './notices.tsx'
import { SignIn } from './sign-in.tsx'

/** For an address that names no page. */
const UnknownPage = () => (
  <>
    <Heading title="No such page" />
    <p>
      No page has the address <code>{location.hash}</code>. <a href={hashOf('views')}>All views</a>
    </p>
  </>
)

const firstPages = { views: ViewsPage, view: ViewPage, unknown: UnknownPage }

type OtherPages = typeof import('./other-pages.ts')['otherPages']

/** The whole page. */
export function App() {
  const place = usePlace()
  const target = useGet<Target>('/page.json').data
  useEffect(() => shownTarget.set(target), [target])
  useEffect(() => (target?.events ? listenToNews(lookSoon, tab) : undefined), [target?.events])
  if (target) document.documentElement.dataset.target = `${target.environment ?? 'local'} · Viewkeeper`
  const [others, setOthers] = useState<OtherPages>()
  useEffect(() => {
    // Loaded behind the first pages, which are there sooner without them.
    import('./other-pages.ts').then(({ otherPages }) => setOthers(otherPages))
  }, [])
  const Page = { ...firstPages, ...others }[place.page]
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to the content
      </button>
      <Header place={place} target={target} />
      <Connection />
      <SignIn />
      <main id="main" tabIndex={-1}>
        {Page ? (
          <Page key={`${place.page}/${place.subject}`} place={place} />
        ) : (
          <p class="loading">Loading …</p>
        )}
      </main>
      <Notices />
      <Ask />
      <KeysHelp />
    </>
  )
}

const skip = () => document.getElementById('main')?.focus()
