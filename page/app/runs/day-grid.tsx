import type { DayList } from '../../../src/api/answers.ts'
import { type Sign, signOfRun } from '../../../src/resources/sign.ts'
import { count } from '../../../src/sql/words.ts'
import { hashOf, type Place } from '../address/address.ts'
import { replaceHash } from '../address/use-place.ts'
import { getAll } from '../api/client.ts'
import { useLive } from '../live/use-live.ts'
import { useGrowing } from '../parts/growing.tsx'
import { Loading } from '../parts/loading.tsx'
import { Badge, Mark } from '../parts/mark.tsx'
import { ViewLink } from '../parts/name.tsx'
import { NameSearch } from '../parts/name-search.tsx'
import { Table } from '../parts/table.tsx'

const many = 14
const path = `/days?days=${many}`
const load = (signal: AbortSignal) =>
  getAll<DayList>(path, (all, page) => ({ ...page, views: [...all.views, ...page.views] }), signal)

/** `#/runs?as=days`: a cell for each view and day, by how the runs of the day ended. */
export function DayGrid({ query }: { query: Place['query'] }) {
  const live = useLive(path, load)
  const part = (query.q ?? '').toLowerCase()
  const views = live.data?.views.filter(({ view }) => view.toLowerCase().includes(part)) ?? []
  return (
    <>
      <search class="filters">
        <Legend days={views.flatMap(({ days }) => days)} />
        <NameSearch part={query.q} onPart={(q) => replaceHash(hashOf('runs', '', { as: 'days', q }))} />
      </search>
      <Loading live={live}>
        {() =>
          views.length === 0 ? (
            <p class="empty">
              {part ? 'No view with runs is like that.' : `No run of the last ${many} days is on record.`}
            </p>
          ) : (
            <Grid views={views} />
          )
        }
      </Loading>
    </>
  )
}

function Legend({ days }: { days: Day[] }) {
  const signs = new Map(days.map(signOfDay).map((sign) => [sign.word, sign]))
  return (
    <p class="sum">
      {[...signs.values()].map((sign) => (
        <Badge key={sign.word} sign={sign} />
      ))}
      <span class="pale">days are those of UTC</span>
    </p>
  )
}

function Grid({ views }: { views: DayList['views'] }) {
  const days = lastDays(Date.now(), many)
  const { shown, more } = useGrowing(views, 'views')
  return (
    <>
      <Table
        class="days"
        rows={shown}
        keyOf={({ view }) => view}
        columns={[
          { name: 'view', title: 'View', names: true, cell: ({ view }) => <ViewLink view={view} /> },
          ...days.map((day) => ({
            name: day,
            title: (
              <>
                {day.slice(8)}
                <span class="month">{monthOf(day)}</span>
              </>
            ),
            cell: ({ view, days: ofView }: DayList['views'][number]) => (
              <DayCell view={view} day={ofView.find((each) => each.day === day)} />
            ),
          })),
        ]}
      />
      {more}
    </>
  )
}

/** `Nov` */
const monthOf = (day: string) => new Date(day).toLocaleString('en', { month: 'short', timeZone: 'UTC' })

function DayCell({ view, day }: { view: string; day: Day | undefined }) {
  if (!day) return null
  const words = wordsOfDay(day)
  return (
    <a
      href={hashOf('runs', '', { view, day: day.day })}
      title={`${day.day}: ${words}`}
      aria-label={`${view}, ${day.day}: ${words}`}
    >
      <Mark sign={signOfDay(day)} />
      <span class="of-day">{day.day.slice(8)}</span>
    </a>
  )
}

type Day = DayList['views'][number]['days'][number]

/** How a day of a view is shown: as its last run ended; a success after failures says both. */
const signOfDay = ({ last, failed }: Pick<Day, 'last' | 'failed'>): Sign =>
  last === 'success' && failed > 0
    ? { ...signOfRun('success'), word: 'success after failures', tone: 'warn' }
    : signOfRun(last)

/** `3 runs, 1 failed; the last: success` */
const wordsOfDay = ({ runs, failed, last }: Day): string =>
  `${count(runs, 'run')}${failed > 0 ? `, ${failed} failed` : ''}; the last: ${last}`

/** So many days up to the one of this moment, in UTC: `2026-11-20`. */
const lastDays = (now: number, many: number): string[] =>
  Array.from({ length: many }, (_, i) =>
    new Date(now - (many - 1 - i) * 24 * 3600_000).toISOString().slice(0, 10),
  )
