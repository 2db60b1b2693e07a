import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { bytes, duration } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import { now } from '../api/connection.ts'
import { Age } from '../parts/age.tsx'
import { Badge } from '../parts/mark.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'
import { State } from '../parts/state.tsx'
import { type Column, orDash, Table } from '../parts/table.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { Due, When } from '../parts/when.tsx'
import { isOpen, signOf, signOfRun } from '../words/sign.ts'

interface Options {
  views: View[]
  /** The views of the whole list, which may go on below what is drawn. */
  all: View[]
  chosen: ReadonlySet<string>
  choose: (views: View[], on: boolean) => void
}

const columns: Column<View>[] = [
  { name: 'view', title: 'View', names: true, cell: ({ view }) => <ViewLink view={view} /> },
  {
    name: 'state',
    title: 'State',
    cell: (view) => (
      <>
        <State of={view} />
        {view.paused && view.state !== 'paused' && <Badge sign={signOf('paused')} />}
      </>
    ),
  },
  { name: 'age', title: 'Age and limit', cell: (view) => <Age of={view} /> },
  { name: 'run', title: 'Last run', cell: ({ lastRun }) => <LastRun run={lastRun} /> },
  {
    name: 'rows',
    title: 'Rows',
    number: true,
    cell: ({ estimatedRows }) => orDash(estimatedRows?.toLocaleString('en')),
  },
  {
    name: 'size',
    title: 'Size',
    number: true,
    cell: ({ sizeBytes }) => orDash(sizeBytes !== null && bytes(sizeBytes)),
  },
  { name: 'next', title: 'Next run', cell: ({ nextRun }) => <Due at={nextRun} none="not scheduled" /> },
  {
    name: 'refresh',
    title: <span class="unseen">Refresh</span>,
    cell: (view) => <RefreshButton view={view} label={`Refresh ${view.view}`} small />,
  },
]

/** The views as a table. */
export function ViewTable({ views, all, chosen, choose }: Options) {
  const isChosen = ({ view }: View) => chosen.has(view)
  const pick = (label: string, those: View[]) => (
    <input
      type="checkbox"
      aria-label={label}
      checked={those.every(isChosen)}
      onChange={() => choose(those, !those.every(isChosen))}
    />
  )
  return (
    <Table
      class="views"
      columns={[
        {
          name: 'pick',
          title: pick('Choose all of these views', all),
          cell: (view) => pick(`Choose ${view.view}`, [view]),
        },
        ...columns,
      ]}
      rows={views}
      keyOf={({ view }) => view}
      isChosen={isChosen}
    />
  )
}

function LastRun({ run }: { run: View['lastRun'] }) {
  if (run === null) return <span class="none">never run</span>
  return (
    <>
      <a class="plain" href={hashOf('run', run.id)} aria-label={`Run ${run.id}, ${run.status}`}>
        <Badge sign={signOfRun(run.status)} />
      </a>{' '}
      <span class="pale">
        {isOpen(run.status) ? (
          `for ${duration(now() - Date.parse(run.requestedAt))}`
        ) : (
          <When at={run.finishedAt ?? run.requestedAt} />
        )}
        {run.durationMs !== null && <span class="took"> · {duration(run.durationMs)}</span>}
      </span>
    </>
  )
}
