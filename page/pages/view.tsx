import type { FC } from 'hono/jsx'
import type { CauseOfWhy, Run, ToldLock, View, ViewDetails, Why } from '../../src/api/answers.ts'
import { type Api, ask, readRefreshes, readView, readViews } from '../../src/api/ask.ts'
import { strategies } from '../../src/catalog/plan/definition.ts'
import { isOpen, pictured, signOfRun } from '../../src/resources/cell.ts'
import { stateCell, viewFacts } from '../../src/resources/views.ts'
import { causeTones } from '../../src/words/causes.ts'
import { aimed, type CommandTarget } from '../../src/words/commands.ts'
import { forPeople } from '../../src/words/for-people.ts'
import { hrefOf } from '../address.ts'
import { Ago, Badge, Command, Deed, Facts, Mark, Name, Sql, Told, ViewLink } from '../cells.tsx'
import { Head, type ShownPage } from '../frame.tsx'
import { Plots } from '../pictures/timeline.tsx'
import { ActionTable, Advice, RunTable } from './runs.tsx'

interface AskedView {
  subject: string
  typed: CommandTarget
}

const few = 5
const recent = 20

/** `/page/views/<view>`: one view, why it is as it is, and what can be done with it. */
export async function viewPage(api: Api, { subject, typed }: AskedView): Promise<ShownPage> {
  const [view, why, { views }, { runs, next }, refreshes, { actions, next: earlier }] = await Promise.all([
    readView(api, subject),
    ask(api, 'getWhy', { view: subject }),
    readViews(api),
    ask(api, 'listRuns', { query: { view: subject, limit: recent } }),
    readRefreshes(api, subject),
    ask(api, 'listActions', { query: { view: subject, limit: few } }),
  ])
  const running = view.lastRun !== null && isOpen(view.lastRun.status)
  return {
    title: forPeople(view.view),
    busy: running,
    main: (
      <>
        <Head
          title={<Name view={view.view} />}
          beside={
            <p class="badges">
              <Told cell={stateCell(view, 'here')} />
              {running && <Badge sign={signOfRun(view.lastRun!.status)} />}
              {view.comment && <span class="pale">{forPeople(view.comment)}</span>}
            </p>
          }
        >
          <Deeds view={view} running={running} />
        </Head>
        <WhyPanel why={why} typed={typed} runs={runs} />
        <div class="columns">
          <section aria-labelledby="facts">
            <h2 id="facts">Facts</h2>
            <Facts facts={[['age and limit', { age: view }], ...viewFacts(view, new Date())]} />
          </section>
          <Plots runs={refreshes} />
        </div>
        <Neighbours view={view} known={views} />
        <Definition view={view} />
        <Runs runs={runs} older={next} of={view.view} />
        {actions.length > 0 && (
          <section aria-labelledby="actions">
            <h2 id="actions">Actions</h2>
            <ActionTable actions={actions} />
            {earlier && (
              <a class="more" href={hrefOf('actions', '', { view: view.view })}>
                Every action
              </a>
            )}
          </section>
        )}
      </>
    ),
  }
}

/** What can be done with a view: refresh it, with a strategy of choice; cancel its run; pause and resume it; make its checks. */
const Deeds: FC<{ view: ViewDetails; running: boolean }> = ({ view: { view, ...is }, running }) => (
  <div class="buttons">
    {is.checked && is.populated && (
      <Deed does="check" fields={{ view }}>
        Check
      </Deed>
    )}
    <Deed does={is.paused ? 'resume' : 'pause'} fields={{ view }}>
      {is.paused ? 'Resume' : 'Pause'}
    </Deed>
    {running && is.lastRun ? (
      <Deed does="cancel-run" fields={{ id: is.lastRun.id }} kind="danger">
        Cancel run {is.lastRun.id}
      </Deed>
    ) : (
      <form method="post">
        <input type="hidden" name="does" value="refresh" />
        <input type="hidden" name="view" value={view} />
        <select id="strategy" name="strategy" aria-label="Strategy">
          <option value="">strategy: {is.strategy}</option>
          {strategies
            .filter((each) => ![each, 'difference'].includes(is.strategy))
            .map((each) => (
              <option>{each}</option>
            ))}
        </select>
        <button class="main" disabled={is.missing} aria-keyshortcuts="r">
          Refresh
        </button>
      </form>
    )}
  </div>
)

/** Why the view's data are as old as they are: the cause first, who is in the way, and what to type. */
const WhyPanel: FC<{ why: Why; typed: CommandTarget; runs: Run[] }> = ({
  why: { causes, locks, view, holdsBack = [] },
  typed,
  runs,
}) => (
  <section class={`why ${causes.some(isBad) ? 'why-bad' : ''}`} aria-labelledby="why">
    <h2 id="why">Why</h2>
    <ol class="causes">
      {causes.map((cause) => (
        <li class={isBad(cause) ? 'bad' : undefined}>
          <p title={cause.code}>
            {withMentions(cause.text, addressesOf(cause, view)).map(({ text, href }) =>
              href ? <a href={href}>{forPeople(text)}</a> : forPeople(text),
            )}
          </p>
          {runs.map(
            ({ id, error }) => id === cause.runId && error && <Advice error={error} next={cause.next} />,
          )}
          {cause.next && <Command line={aimed(cause.next, typed)} />}
        </li>
      ))}
    </ol>
    {holdsBack.length > 0 && (
      <p>Holds back: {holdsBack.map((each, at) => [at > 0 && ', ', <ViewLink view={each} />])}</p>
    )}
    {locks.length > 0 && <Locks locks={locks} told={causes.map(({ next }) => next)} />}
  </section>
)

/** What a cause is about, besides the view itself. */
const addressesOf = ({ view, runId, batchId }: CauseOfWhy, of: string): Record<string, string> => ({
  ...(view && view !== of && { [view]: hrefOf('view', view) }),
  ...(runId && { [`run ${runId}`]: hrefOf('run', runId) }),
  ...(batchId && { [`batch ${batchId}`]: hrefOf('batch', batchId) }),
})

/** Whether somebody has to look at a cause. */
const isBad = ({ code }: Pick<CauseOfWhy, 'code'>): boolean => ['bad', 'warn'].includes(causeTones[code])

interface LinkedText {
  text: string
  /** The address of what the text names; undefined for text in between. */
  href: string | undefined
}

/**
 * A text in pieces: where it first names a run, a batch or a view of `addresses`, the piece has an address. The names that
 * the text does not have come after it. Together the pieces are what a person reads.
 */
export function withMentions(text: string, addresses: Record<string, string>): LinkedText[] {
  const missing = { ...addresses }
  const names = Object.keys(addresses)
  const any = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  // In upper or lower case; not inside a longer name or number.
  const pieces = any ? text.split(new RegExp(`(?<![\\w.-])(${any})(?![\\w-]|\\.\\w)`, 'i')) : [text]
  const told: LinkedText[] = pieces.map((text) => {
    const name = names.find((each) => each.toLowerCase() === text.toLowerCase()) ?? ''
    const href = missing[name]
    delete missing[name]
    return { text, href }
  })
  for (const text in missing) told.push({ text: ' ', href: undefined }, { text, href: missing[text] })
  return told.filter(({ text }) => text)
}

/** The sessions that are in the way now, and the SQL that ends each, unless a cause above says it. */
const Locks: FC<{ locks: ToldLock[]; told: (string | null)[] }> = ({ locks, told }) => (
  <>
    <h3>In the way now</h3>
    <ul class="locks">
      {locks.map((lock) => (
        <li>
          <p>
            <strong>{lock.application || 'a session'}</strong> of {lock.role ?? 'another role'}
            {lock.pid !== null && ` (process ${lock.pid})`} holds <code>{lock.mode}</code> on{' '}
            <code>{lock.relation}</code>
            {lock.since && (
              <>
                , in a transaction that began <Ago at={lock.since} />
              </>
            )}
            {lock.state && `, ${lock.state}`}.{' '}
            {lock.runId && <a href={hrefOf('run', lock.runId)}>run {lock.runId}</a>}
          </p>
          {lock.statement && <pre>{lock.statement}</pre>}
          {lock.end && !told.includes(lock.end) && (
            <>
              <p>To end it, as {lock.endBy}:</p>
              <Command line={lock.end} />
            </>
          )}
        </li>
      ))}
    </ul>
  </>
)

/** What a view reads and what reads it, each with its sign. */
const Neighbours: FC<{ view: ViewDetails; known: View[] }> = ({ view, known }) => {
  const list = (title: string, views: string[]) => (
    <div>
      <h3>
        {title} {views.length > 0 && <span class="count">{views.length}</span>}
      </h3>
      {views.length === 0 && <p class="none">no other materialized view</p>}
      <ul class="neighbours">
        {views.map((name) => {
          const found = known.find((each) => each.view === name)
          const sign = found && pictured(found)
          return (
            <li>
              {sign && <Mark sign={sign} />}
              <ViewLink view={name} />
              {sign && <span class={`pale tone-${sign.tone}`}>{sign.word}</span>}
            </li>
          )
        })}
      </ul>
    </div>
  )
  return (
    <section class="card" aria-labelledby="neighbours">
      <h2 id="neighbours">
        Graph{' '}
        {view.dependsOn.length + view.neededBy.length > 0 && (
          <a href={hrefOf('graph', '', { view: view.view })}>as a picture</a>
        )}
      </h2>
      <div class="pair">
        {list('Reads', view.dependsOn)}
        {list('Read by', view.neededBy)}
      </div>
    </section>
  )
}

/** The SQL of a view and its indexes. */
const Definition: FC<{ view: ViewDetails }> = ({ view: { sql, indexes } }) => (
  <section aria-labelledby="definition">
    <h2 id="definition">Definition</h2>
    {sql === null ? (
      <p class="none">A running refresh keeps the definition from being read.</p>
    ) : (
      <Sql text={sql} of="the definition" />
    )}
    <h3>Indexes</h3>
    {indexes.length === 0 && <p class="none">none</p>}
    {indexes.map(({ name, definition, unique }) => (
      <Sql text={definition ?? `${name}${unique ? ' (unique)' : ''}`} of={`index ${name}`} />
    ))}
  </section>
)

/** The last runs of a view, newest first. */
const Runs: FC<{ runs: Run[]; older: string | null; of: string }> = ({ runs, older, of }) => (
  <section aria-labelledby="runs">
    <h2 id="runs">Runs</h2>
    {runs.length === 0 ? <p class="empty">No run of this view is on record.</p> : <RunTable runs={runs} />}
    {older && (
      <a class="more" href={hrefOf('runs', '', { view: of })}>
        Every run
      </a>
    )}
  </section>
)
