import type { ComponentChildren } from 'preact'
import { ageText } from '../../../src/catalog/plan/state.ts'
import {
  type Aged,
  type Cell,
  type Column as Described,
  type Fact,
  isEmpty,
} from '../../../src/resources/cell.ts'
import { duration } from '../../../src/sql/words.ts'
import { hashOf } from '../address/address.ts'
import { now } from '../api/connection.ts'
import { Badge } from './mark.tsx'
import { ViewLink } from './name.tsx'
import type { Column } from './table.tsx'
import { Due, Moment, When } from './when.tsx'

/** What a cell of a resource says, with links and tooltips. */
export function Told({ cell }: { cell: Cell }): ComponentChildren {
  if (cell === null || typeof cell === 'string') return cell
  if (Array.isArray(cell)) return cell.map((each, at) => <Told key={at} cell={each} />)
  if ('sign' in cell) return <Stands {...cell} />
  if ('view' in cell) return <ViewLink view={cell.view} />
  if ('run' in cell) return <a href={hashOf('run', cell.run)}>{cell.text ?? cell.run}</a>
  if ('batch' in cell) return <a href={hashOf('batch', cell.batch)}>{cell.text ?? cell.batch}</a>
  if ('past' in cell) return <When at={cell.past} />
  if ('ahead' in cell) return <Due at={cell.ahead} />
  if ('moment' in cell) return <Moment at={cell.moment} />
  if ('age' in cell) return <Age of={cell.age} />
  if ('short' in cell) return <span title={cell.whole}>{cell.short}</span>
  if ('text' in cell) return cell.text
  if ('code' in cell) return <b class="code">{cell.code}</b>
  return (
    <span class="on-page">
      <Told cell={cell.onPage} />
    </span>
  )
}

/** These columns of a resource, in this order; the first has the names of the rows. */
export const columnsOf = <Row,>(described: Described<Row>[], names: string[]): Column<Row>[] =>
  names.map((name, at) => {
    const { title, cell, number, pale } = described.find((each) => each.name === name)!
    return {
      name,
      title,
      cell: (row) => {
        const told = cell(row, new Date(now()))
        return isEmpty(told) ? <span class="none">–</span> : <Told cell={told} />
      },
      ...(number && at > 0 && { number }),
      ...(pale && { class: 'pale' }),
      ...(at === 0 && { names: true as const }),
    }
  })

/** Facts in two columns: what, and how it is. A fact that says nothing is left out. */
export const Facts = ({ facts }: { facts: Fact[] }) => (
  <dl class="facts">
    {facts
      .filter(([, cell]) => !isEmpty(cell))
      .map(([label, cell], at) => (
        <div key={at}>
          <dt>{label.charAt(0).toUpperCase() + label.slice(1)}</dt>
          <dd>
            <Told cell={cell} />
          </dd>
        </div>
      ))}
  </dl>
)

function Stands({ sign, word = sign.word, of }: Extract<Cell, { sign: unknown }>) {
  const badge = <Badge sign={sign} word={word} />
  if (of === undefined) return badge
  return 'view' in of ? (
    <a class="plain" href={hashOf('view', of.view)} title="Why">
      {badge}
    </a>
  ) : (
    <a class="plain" href={hashOf('run', of.run)} aria-label={`Run ${of.run}, ${word}`}>
      {badge}
    </a>
  )
}

/** The age of a view's data against its limit: in words, and as a bar that is full at the limit. */
function Age({ of }: { of: Aged }) {
  if (of.staleMs === null) return <span class="none">{ageText(of)}</span>
  const used = of.maxStaleMs ? of.staleMs / of.maxStaleMs : null
  const tone = of.stale ? 'warn' : used !== null && used > 0.8 ? 'near' : 'good'
  return (
    <span class="age">
      <span class={of.stale ? 'tone-warn' : ''}>{ageText(of)}</span>
      <span class="limit">{of.maxStaleMs === null ? 'no limit' : `of ${duration(of.maxStaleMs)}`}</span>
      {used !== null && (
        <span class="bar" aria-hidden="true">
          <span class={`fill tone-${tone}`} style={{ width: `${Math.min(100, used * 100)}%` }} />
        </span>
      )}
    </span>
  )
}
