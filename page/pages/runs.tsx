import type { FC, PropsWithChildren } from 'hono/jsx'
import type { DayList, Run, ToldAction } from '../../src/api/answers.ts'
import { type Api, ask, readDays, readRun } from '../../src/api/ask.ts'
import { isOpen, type Sign, signOfRun } from '../../src/resources/cell.ts'
import { actionColumns, runColumns, runFacts, statementsOf, timeText } from '../../src/resources/run-facts.ts'
import { adviceOf } from '../../src/watch/diagnosis/run-cause.ts'
import { aimed, type CommandTarget, isCommand } from '../../src/words/commands.ts'
import { withSchema } from '../../src/words/glob.ts'
import { count } from '../../src/words/phrases.ts'
import { runbookOf } from '../../src/words/problem.ts'
import { runStatuses } from '../../src/words/run.ts'
import { hrefOf, type PageQuery } from '../address.ts'
import {
  Badge,
  Command,
  Deed,
  Facts,
  Filters,
  firstOf,
  Legend,
  Listed,
  Mark,
  Name,
  NameSearch,
  Sql,
  Table,
  ViewLink,
} from '../cells.tsx'
import { Head, type ShownPage } from '../frame.tsx'

/** `/page/runs`: the runs of every view, as a list that the address narrows, or as a grid of days. */
export async function runsPage(api: Api, { query }: { query: PageQuery }): Promise<ShownPage> {
  const { busy, main } = await (query.as === 'days' ? dayGrid(api, query) : runList(api, query))
  return {
    title: 'Runs',
    busy,
    main: (
      <>
        <Head title="Runs" />
        <nav class="tabs" aria-label="The runs as">
          <a href={hrefOf('runs')} aria-current={query.as ? undefined : 'true'}>
            list
          </a>
          <a
            href={hrefOf('runs', '', { as: 'days' })}
            aria-current={query.as === 'days' ? 'true' : undefined}
          >
            days
          </a>
        </nav>
        {main}
      </>
    ),
  }
}

const none = 'No run is like that.'

/** The runs that fit the address, newest first. */
async function runList(api: Api, query: PageQuery): Promise<Omit<ShownPage, 'title'>> {
  const { runs, next } = await ask(api, 'listRuns', { query: runsAsked(query, Date.now()) })
  return {
    busy: runs.some((run) => isOpen(run.status)),
    main: (
      <>
        <RunFilters query={query} />
        <p class="unseen" role="status">
          {runs.length === 0 ? none : `${runs.length} runs`}
        </p>
        <Listed
          none={none}
          noun="runs"
          empty={runs.length === 0}
          older={next && hrefOf('runs', '', { ...query, before: next })}
        >
          <RunTable runs={runs} withViews />
        </Listed>
      </>
    ),
  }
}

const dayMs = 24 * 3600_000

/** How far back the list can be narrowed, and the words for it. */
const sinces = {
  '1h': { word: 'the last hour', ms: dayMs / 24 },
  '24h': { word: 'the last 24 hours', ms: dayMs },
  '7d': { word: 'the last 7 days', ms: 7 * dayMs },
  '30d': { word: 'the last 30 days', ms: 30 * dayMs },
} as const

/** When a day (`2026-11-20`) begins; NaN for anything else that an address has. */
const beginOf = (day: string) => (/^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(day) : Number.NaN)

/**
 * The question for the runs that an address narrows: to a `view` or to a part of names (`q`; what ends with a quote is a name), to a
 * `status`, to a time (`since`) or to a `day` (UTC), to those `before` a run.
 */
export function runsAsked({ view, q, status, since, day, before }: PageQuery, now: number) {
  const begins = day ? beginOf(day) : since && now - (sinces[since as keyof typeof sinces]?.ms ?? 0)
  const moment = (at: number) => new Date(at).toISOString()
  const filled = {
    view,
    pattern: q && !view ? (q.endsWith('"') ? withSchema(q) : `*${q}*`) : undefined,
    status,
    since: begins ? moment(begins) : undefined,
    until: day && begins ? moment(begins + dayMs) : undefined,
    cursor: before,
    limit: 100,
  }
  return Object.fromEntries(Object.entries(filled).filter(([, value]) => value))
}

/** Narrows the runs to a status, a part of names and a time; a view or a day that the address names can be taken away. */
const RunFilters: FC<{ query: PageQuery }> = ({ query }) => {
  const { before: _before, q, since, status = '', ...kept } = query
  const to = (change: PageQuery) => hrefOf('runs', '', { ...kept, q, since, status, ...change })
  return (
    <Filters action="page/runs" kept={{ status, ...kept }}>
      <ul class="chips">
        {['', ...runStatuses].map((each) => (
          <li>
            <a
              class={`chip chip-${each}`}
              href={to({ status: each })}
              aria-current={each === status ? 'true' : undefined}
            >
              {each || 'all'}
            </a>
          </li>
        ))}
      </ul>
      {query.view ? (
        <Narrowed to="view" all={to({ view: '' })}>
          <Name view={query.view} />
        </Narrowed>
      ) : (
        <NameSearch part={q} />
      )}
      {query.day ? (
        <Narrowed to="day" all={to({ day: '' })}>
          {query.day}
        </Narrowed>
      ) : (
        <label class="order">
          Time{' '}
          <select id="since" name="since">
            <option value="">any</option>
            {Object.entries(sinces).map(([each, { word }]) => (
              <option value={each} selected={each === since}>
                {word}
              </option>
            ))}
          </select>
        </label>
      )}
    </Filters>
  )
}

const Narrowed: FC<PropsWithChildren<{ to: string; all: string }>> = ({ to, all, children }) => (
  <span class="chip narrowed">
    {children}{' '}
    <a href={all} aria-label={`Every ${to}`}>
      ×
    </a>
  </span>
)

/** Runs as a table; with their views, if they are runs of several. */
export const RunTable: FC<{ runs: Run[]; withViews?: boolean }> = ({ runs, withViews = false }) => (
  <Table
    of={`runs ${withViews ? 'with-views' : ''}`}
    described={runColumns}
    columns={['id', 'status', ...(withViews ? ['view'] : []), 'time', 'duration', 'rows', 'by', 'result']}
    rows={runs}
    keyOf={({ id }) => id}
  />
)

type DaysOfView = DayList['views'][number]
type DayOfView = DaysOfView['days'][number]

const many = 14

/** A cell for each view and day, by how the runs of the day ended. */
async function dayGrid(api: Api, query: PageQuery): Promise<Omit<ShownPage, 'title'>> {
  const part = (query.q ?? '').toLowerCase()
  const views = (await readDays(api, many)).filter(({ view }) => view.toLowerCase().includes(part))
  const { shown, more } = firstOf(views, query.rows)
  const cell =
    (day: string) =>
    ({ view, days }: DaysOfView) =>
      days.filter((each) => each.day === day).map((each) => <DayCell view={view} day={each} />)
  return {
    main: (
      <>
        <Filters action="page/runs" kept={{ as: 'days' }}>
          <Legend signs={views.flatMap(({ days }) => days.map(signOfDay))} counted={false}>
            <span class="pale">days are those of UTC</span>
          </Legend>
          <NameSearch part={query.q} />
        </Filters>
        {views.length === 0 ? (
          <p class="empty">
            {part ? 'No view with runs is like that.' : `No run of the last ${many} days is on record.`}
          </p>
        ) : (
          <Table
            of="days"
            rows={shown}
            keyOf={({ view }) => view}
            columns={[
              { name: 'view', title: 'View', names: true, cell: ({ view }) => <ViewLink view={view} /> },
              ...lastDays(Date.now(), many).map((day) => ({
                name: day,
                title: (
                  <>
                    {day.slice(8)}
                    <span class="month">{monthOf(day)}</span>
                  </>
                ),
                cell: cell(day),
              })),
            ]}
          />
        )}
        {more((rows) => hrefOf('runs', '', { ...query, rows }), 'views')}
      </>
    ),
  }
}

/** `Nov` */
const monthOf = (day: string) => new Date(day).toLocaleString('en', { month: 'short', timeZone: 'UTC' })

const DayCell: FC<{ view: string; day: DayOfView }> = ({ view, day }) => {
  const words = wordsOfDay(day)
  return (
    <a
      href={hrefOf('runs', '', { view, day: day.day })}
      title={`${day.day}: ${words}`}
      aria-label={`${view}, ${day.day}: ${words}`}
    >
      <Mark sign={signOfDay(day)} />
      <span class="of-day">{day.day.slice(8)}</span>
    </a>
  )
}

/** How a day of a view is shown: as its last run ended; a success after failures says both. */
const signOfDay = ({ last, failed }: Pick<DayOfView, 'last' | 'failed'>): Sign =>
  last === 'success' && failed > 0
    ? { ...signOfRun('success'), word: 'success after failures', tone: 'warn' }
    : signOfRun(last)

/** `3 runs, 1 failed; the last: success` */
const wordsOfDay = ({ runs, failed, last }: DayOfView): string =>
  `${count(runs, 'run')}${failed > 0 ? `, ${failed} failed` : ''}; the last: ${last}`

/** So many days up to the one of this moment, in UTC: `2026-11-20`. */
const lastDays = (now: number, many: number): string[] =>
  Array.from({ length: many }, (_, i) => new Date(now - (many - 1 - i) * dayMs).toISOString().slice(0, 10))

interface AskedRun {
  subject: string
  /** How commands name the API. */
  typed: CommandTarget
}

/** `/page/runs/<id>`: one run, what it did, and why it failed. */
export async function runPage(api: Api, { subject, typed }: AskedRun): Promise<ShownPage> {
  const run = await readRun(api, subject)
  const { id, status, operation, view, progress, error, result } = run
  return {
    title: `Run ${id}`,
    busy: isOpen(status),
    main: (
      <>
        <Head
          title={`Run ${id}`}
          beside={
            <p class="badges">
              <Badge sign={signOfRun(status)} />
              <span>
                {operation} of <ViewLink view={view} />
              </span>
            </p>
          }
        >
          <div class="buttons">
            {isOpen(status) && (
              <Deed does="cancel-run" fields={{ id }} kind="danger">
                Cancel the run
              </Deed>
            )}
            {isRetryable(run) && operation === 'refresh' && (
              <Deed does="retry-run" fields={{ id, descendants: true }}>
                Retry, and refresh what reads it
              </Deed>
            )}
            {isRetryable(run) && (
              <Deed does="retry-run" fields={{ id }} kind="main" shortcut="r">
                Retry
              </Deed>
            )}
          </div>
        </Head>
        {progress && <Progress {...progress} />}
        {error && <RunError run={run} error={error} next={nextOf(run, typed)} />}
        <section class="card" aria-labelledby="facts">
          <h2 id="facts">Facts</h2>
          <Facts facts={runFacts(run)} />
        </section>
        {result.response.sql && (
          <section aria-labelledby="sql">
            <h2 id="sql">SQL</h2>
            <Sql text={statementsOf(run).join('\n\n')} of="the run" />
          </section>
        )}
      </>
    ),
  }
}

/** A drop is not for a button. A migration or `put-back` asks for what the API does not take: it is repeated itself. */
const isRetryable = ({ status, operation, result }: Run) =>
  (status === 'failed' || status === 'canceled') && operation !== 'drop' && 'view' in result.request

/** How far a run is: its phase, and the time against what such a run usually takes. */
const Progress: FC<NonNullable<Run['progress']>> = ({ phase, elapsedMs, estimatedMs }) => (
  <div class="progress">
    <p>
      <strong>{phase ?? 'running'}</strong>
      {elapsedMs !== null && ` · ${timeText(elapsedMs, estimatedMs)}`}
    </p>
    <progress
      aria-label="Time against the usual duration"
      value={elapsedMs === null || !estimatedMs ? undefined : Math.min(0.97, elapsedMs / estimatedMs)}
    />
  </div>
)

/** What to type next, unless that shows this run. */
function nextOf({ id, cause }: Run, typed: CommandTarget): string | null {
  const next = cause?.next ? aimed(cause.next, typed) : null
  return next !== null && isCommand(next, ['runs', String(id)]) ? null : next
}

interface RunErrorProps {
  run: Pick<Run, 'operation' | 'cause'>
  error: NonNullable<Run['error']>
  next: string | null
}

/** Why a run did not succeed: its cause and the error, without row data, what to type, and where to read on. */
const RunError: FC<RunErrorProps> = ({ run: { operation, cause }, error, next }) => (
  <section class="failure" aria-labelledby="error">
    <h2 id="error">{cause?.text ?? error.message}</h2>
    <Advice error={error} next={cause?.next} />
    {next && <Command line={next} />}
    {error.context && <pre>{error.context}</pre>}
    {error.runningRunId && (
      <p>
        <a href={hrefOf('run', error.runningRunId)}>Run {error.runningRunId}</a> was in the way.
      </p>
    )}
    <p class="pale">
      <b class="code">{error.class}</b> {error.sqlstate && <code>{error.sqlstate}</code>}
    </p>
    <p class="hint">
      {operation === 'refresh' && cause === undefined && 'Readers see the data of the last success. '}
      {runbookOf(error.class)}
    </p>
  </section>
)

/** What a run found besides its cause and what to type next, and what mends it. */
export const Advice: FC<{ error: NonNullable<Run['error']>; next: string | null | undefined }> = ({
  error,
  next,
}) => <>{adviceOf(error, next).map((text) => text && <p>{text}</p>)}</>

const noActions =
  'Nobody has paused, canceled, forced, dropped or retried anything. Refreshes stand under the runs.'

/** `/page/actions`: who did what, newest first, of everything or of one view. */
export async function actionsPage(
  api: Api,
  { query: { view, before } }: { query: PageQuery },
): Promise<ShownPage> {
  const { actions, next } = await ask(api, 'listActions', { query: { view, cursor: before, limit: 50 } })
  const title = view ? `Actions on ${view}` : 'Actions'
  return {
    title,
    main: (
      <>
        <Head title={title} />
        <Listed
          none={noActions}
          noun="actions"
          empty={actions.length === 0}
          older={next && hrefOf('actions', '', { view, before: next })}
        >
          <ActionTable actions={actions} />
        </Listed>
      </>
    ),
  }
}

/** Who did what, as a table. */
export const ActionTable: FC<{ actions: ToldAction[] }> = ({ actions }) => (
  <Table
    of="actions"
    described={actionColumns}
    columns={['action', 'asked', 'with', 'by', 'run', 'time']}
    rows={actions}
    keyOf={({ id }) => id}
  />
)
