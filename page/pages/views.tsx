import type { FC } from 'hono/jsx'
import type { View, ViewList } from '../../src/api/answers.ts'
import { type Api, ask, readViews } from '../../src/api/ask.ts'
import { filterNames, filters, type StateFilter } from '../../src/catalog/plan/state.ts'
import { isOpen } from '../../src/resources/cell.ts'
import {
  allPausedMeans,
  countStates,
  inOrder,
  orderWords,
  viewColumns,
  wordsOfFilter,
} from '../../src/resources/views.ts'
import { failingText } from '../../src/watch/plan/silence.ts'
import { type CommandTarget, lineOf } from '../../src/words/commands.ts'
import { count } from '../../src/words/phrases.ts'
import { hrefOf, type PageQuery } from '../address.ts'
import { Ago, Deed, Filters, firstOf, NameSearch, RefreshIcon, Table, utc } from '../cells.tsx'
import { Head, type ShownPage } from '../frame.tsx'

/** `/`: every view, with its age against its limit, its last run and its next. */
export async function viewsPage(
  api: Api,
  { query, typed }: { query: PageQuery; typed: CommandTarget },
): Promise<ShownPage> {
  const [list, { batches }] = await Promise.all([
    readViews(api),
    ask(api, 'listBatches', { query: { limit: 5 } }),
  ])
  const goingOn = batches.filter(({ status }) => isOpen(status))
  const { views, paused } = list
  const selected = select(views, query)
  const { shown, more } = firstOf(selected, query.rows)
  return {
    title: 'Views',
    busy: goingOn.length > 0 || views.some(({ lastRun }) => lastRun !== null && isOpen(lastRun.status)),
    main: (
      <>
        {paused && <AllPaused paused={paused} />}
        <Loud {...list} typed={typed} />
        <Head
          title={
            <>
              Views <span class="count">{views.length.toLocaleString('en')}</span>
            </>
          }
        >
          {goingOn.map(({ id }) => (
            <a href={hrefOf('batch', id)}>Batch {id} goes on</a>
          ))}
          <div class="buttons">
            {!paused && <Deed does="pause-all">Pause all</Deed>}
            <Deed does="refresh-all" kind="main" disabled={views.length === 0}>
              Refresh all
            </Deed>
          </div>
        </Head>
        <FilterBar views={views} query={query} />
        <p class="unseen" role="status">
          {count(selected.length, 'view')}
        </p>
        {selected.length === 0 ? (
          <p class="empty">
            {views.length === 0 ? 'The database has no materialized view yet.' : 'No view is like that.'}
          </p>
        ) : (
          <ViewTable views={shown} all={selected.length} />
        )}
        {more((rows) => hrefOf('views', '', { ...query, rows }), 'views')}
        <SelectionBar query={query} />
      </>
    ),
  }
}

/** The views of a state whose names have all the words, in this order. Unknown states and orders change nothing. */
export function select(views: View[], { q = '', state = '', sort }: PageQuery): View[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = filters[state as StateFilter] ?? (() => true)
  const chosen = views.filter(
    (view) => fits(view) && words.every((word) => view.view.toLowerCase().includes(word)),
  )
  return inOrder(chosen, sort)
}

/** Says that everything scheduled is paused, since when and by whom. */
const AllPaused: FC<{ paused: NonNullable<ViewList['paused']> }> = ({ paused }) => (
  <div class="strip strip-held">
    <p>
      <strong>Everything scheduled is paused</strong>, <Ago at={paused.since} /> by {paused.by}
      {paused.until != null && `, until ${utc(paused.until)}`}: {allPausedMeans}.
    </p>
    <Deed does="resume-all">Resume all</Deed>
  </div>
)

/** Says which channels do not take their messages, what nothing refreshes, and that nobody is told. */
const Loud: FC<Pick<ViewList, 'failing' | 'silence'> & { typed: CommandTarget }> = ({
  failing = [],
  silence,
  typed,
}) => (
  <>
    {[
      ...failing.map((each) => failingText(each, utc(each.since))),
      ...(silence?.lines ?? []).map((line) => lineOf(line, typed)),
    ].map((line) => (
      <div class="strip strip-warn">
        <p>{line}</p>
      </div>
    ))}
  </>
)

/** Narrows the list to a state or to a part of the name, and orders it. */
const FilterBar: FC<{ views: View[]; query: PageQuery }> = ({ views, query: { q, state = '', sort } }) => {
  const counts = countStates(views)
  return (
    <Filters action={hrefOf('views')} kept={{ state }}>
      <ul class="chips">
        {(['', ...filterNames] as const).map((each) => {
          const n = each === '' ? views.length : counts[each]
          const { word, tone } = each === '' ? { word: 'all', tone: 'none' } : wordsOfFilter(each)
          if (n === 0 && each !== state) return null
          return (
            <li>
              <a
                class="chip"
                href={hrefOf('views', '', { q, sort, state: each })}
                aria-current={each === state ? 'true' : undefined}
              >
                {word} <b class={`tone-${tone}`}>{n}</b>
              </a>
            </li>
          )
        })}
      </ul>
      <NameSearch part={q} />
      <label class="order">
        Order{' '}
        <select id="sort" name="sort">
          {Object.entries(orderWords).map(([order, word]) => (
            <option value={order} selected={order === (sort ?? 'urgency')}>
              {word}
            </option>
          ))}
        </select>
      </label>
    </Filters>
  )
}

const ViewTable: FC<{ views: View[]; all: number }> = ({ views, all }) => (
  <Table
    of="views"
    described={viewColumns}
    rows={views}
    keyOf={({ view }) => view}
    columns={[
      {
        name: 'pick',
        title: (
          <input
            type="checkbox"
            form="chosen"
            name="all"
            value={all}
            aria-label="Choose all of these views"
          />
        ),
        cell: ({ view }) => (
          <input type="checkbox" form="chosen" name="view" value={view} aria-label={`Choose ${view}`} />
        ),
      },
      ...['view', 'state', 'age', 'run', 'rows', 'size', 'next'],
      {
        name: 'refresh',
        title: <span class="unseen">Refresh</span>,
        cell: ({ view, missing }) => (
          <Deed
            does="refresh"
            fields={{ view }}
            kind="quiet"
            shortcut="r"
            label={`Refresh ${view}`}
            disabled={missing}
          >
            <RefreshIcon />
          </Deed>
        ),
      },
    ]}
  />
)

/** What can be done with the views whose boxes are checked: one batch, or a pause. */
const SelectionBar: FC<{ query: PageQuery }> = ({ query: { q, state } }) => (
  <form id="chosen" class="selection" method="post" aria-label="The chosen views">
    <input type="hidden" name="does" value="chosen" />
    <strong>The chosen views</strong>
    {q && <input type="hidden" name="q" value={q} />}
    {state && <input type="hidden" name="state" value={state} />}
    <label>
      <input type="checkbox" name="ancestors" value="true" /> and what they read
    </label>
    <label>
      <input type="checkbox" name="descendants" value="true" /> and what reads them
    </label>
    <div class="buttons">
      <button type="reset" class="quiet">
        Choose none
      </button>
      <button name="deed" value="pause">
        Pause
      </button>
      <button name="deed" value="resume">
        Resume
      </button>
      <button name="deed" value="refresh" class="main">
        Refresh in one batch
      </button>
    </div>
  </form>
)
