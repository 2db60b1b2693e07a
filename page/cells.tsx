import type { Child, FC, PropsWithChildren } from 'hono/jsx'
import { ageText } from '../src/catalog/plan/state.ts'
import {
  type Aged,
  type Cell,
  type Column,
  type Fact,
  isEmpty,
  type SignMark as MarkName,
  type Sign,
} from '../src/resources/cell.ts'
import { forPeople } from '../src/words/for-people.ts'
import { ago, ahead, duration } from '../src/words/phrases.ts'
import { hrefOf } from './address.ts'

// What tables and facts of a resource say, as HTML: the twin of what the command line prints.

interface TableOptions<Row> {
  of: string
  /** Columns of the resource, by name and in this order; the first has the names of the rows. Or columns of this page alone. */
  columns: (string | PageColumn<Row>)[]
  described?: Column<Row>[]
  rows: Row[]
  /** What a row keeps when the list is another one. */
  keyOf(row: Row): string | number
}

export interface PageColumn<Row> {
  name: string
  title: Child
  cell(row: Row): Child
  names?: true
}

/** A table; on a narrow screen each row is a card. The roles keep it a table there for screen readers. */
export function Table<Row>({ of, columns, described = [], rows, keyOf }: TableOptions<Row>) {
  const now = new Date()
  let first = true
  const shown = columns.map((column): PageColumn<Row> & { class?: string } => {
    if (typeof column !== 'string') return column
    const { name, title, cell, number, pale } = described.find((each) => each.name === column)!
    const names = first && { names: true as const }
    first = false
    const told = (row: Row) => orDash(cell(row, now))
    return {
      name,
      title,
      cell: told,
      class: `${number && !names ? ' number' : ''}${pale ? ' pale' : ''}`,
      ...names,
    }
  })
  return (
    <table class={of} role="table">
      <thead role="rowgroup">
        <tr role="row">
          {shown.map(({ name, title, class: more = '' }) => (
            <th role="columnheader" scope="col" class={`of-${name}${more.replace(' pale', '')}`}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr role="row" id={`${of.split(' ')[0]}-${encodeURIComponent(keyOf(row))}`}>
            {shown.map(({ name, cell, names, class: more = '' }) =>
              names ? (
                <th role="rowheader" scope="row" class={`of-${name}${more}`}>
                  {cell(row)}
                </th>
              ) : (
                <td role="cell" class={`of-${name}${more}`}>
                  {cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** What a cell says, or a dash if it says nothing. */
const orDash = (cell: Cell): Child => (isEmpty(cell) ? <span class="none">–</span> : <Told cell={cell} />)

/** Facts in two columns: what, and how it is. A fact that says nothing is left out. */
export const Facts: FC<{ facts: Fact[] }> = ({ facts }) => (
  <dl class="facts">
    {facts
      .filter(([, cell]) => !isEmpty(cell))
      .map(([label, cell]) => (
        <div>
          <dt>{label.charAt(0).toUpperCase() + label.slice(1)}</dt>
          <dd>
            <Told cell={cell} />
          </dd>
        </div>
      ))}
  </dl>
)

/** What a cell of a resource says, with links and tooltips. */
export const Told: FC<{ cell: Cell }> = ({ cell }) => {
  if (cell == null || typeof cell === 'string') return <>{cell}</>
  if (Array.isArray(cell))
    return (
      <>
        {cell.map((each) => (
          <Told cell={each} />
        ))}
      </>
    )
  if ('sign' in cell) return <Stands {...cell} />
  if ('view' in cell) return <ViewLink view={cell.view} />
  if ('run' in cell) return <a href={hrefOf('run', cell.run)}>{cell.text ?? cell.run}</a>
  if ('batch' in cell) return <a href={hrefOf('batch', cell.batch)}>{cell.text ?? cell.batch}</a>
  if ('past' in cell) return <Ago at={cell.past} />
  if ('ahead' in cell)
    return (
      <time datetime={cell.ahead} title={utc(cell.ahead)}>
        {ahead(Date.parse(cell.ahead) - Date.now())}
      </time>
    )
  if ('moment' in cell) return <Moment at={cell.moment} />
  if ('age' in cell) return <Age of={cell.age} />
  if ('short' in cell) return <span title={cell.whole}>{cell.short}</span>
  if ('text' in cell) return <>{cell.text}</>
  if ('code' in cell) return null
  return (
    <span class="on-page">
      <Told cell={cell.onPage} />
    </span>
  )
}

const Stands: FC<Extract<Cell, { sign: unknown }>> = ({ sign, word = sign.word, of }) => {
  const badge = <Badge sign={sign} word={word} />
  if (of === undefined) return badge
  return 'view' in of ? (
    <a class="plain" href={hrefOf('view', of.view)} title="Why">
      {badge}
    </a>
  ) : (
    <a class="plain" href={hrefOf('run', of.run)} aria-label={`Run ${of.run}, ${word}`}>
      {badge}
    </a>
  )
}

/** The age of a view's data against its limit: in words, and as a bar that is full at the limit. */
const Age: FC<{ of: Aged }> = ({ of }) => {
  if (of.staleMs === null) return <span class="none">{ageText(of)}</span>
  const used = of.maxStaleMs ? of.staleMs / of.maxStaleMs : null
  return (
    <span class="age">
      <span class={of.stale ? 'tone-warn' : ''}>{ageText(of)}</span>
      <span class="limit">{of.maxStaleMs === null ? 'no limit' : `of ${duration(of.maxStaleMs)}`}</span>
      {used !== null && <Bar part={used} tone={of.stale ? 'warn' : used > 0.8 ? 'near' : 'good'} />}
    </span>
  )
}

/** A part of a whole as a bar. The number is beside it. */
export const Bar: FC<{ part: number; tone: string }> = ({ part, tone }) => (
  <svg class="bar" aria-hidden="true">
    <rect class={`fill tone-${tone}`} width={`${Math.min(100, part * 100).toFixed(1)}%`} height="100%" />
  </svg>
)

/** The strokes of each mark, in a square of 16 by 16. */
export const strokes: Record<MarkName, string> = {
  check: 'M4 8.5 7 11.5 12.5 5',
  clock: 'M8 4.5V8l2.5 1.8',
  cross: 'M5 5l6 6M11 5l-6 6',
  play: 'M6 4.5 11 8 6 11.5z',
  dots: 'M4 8h.01M8 8h.01M12 8h.01',
  pause: 'M6 4.5v7M10 4.5v7',
  ring: 'M8 4.5a3.5 3.5 0 1 0 .01 0z',
  gone: 'M6 6.2a2 2 0 1 1 2.8 1.9c-.5.2-.8.5-.8 1.1M8 11.5h.01',
  dash: 'M4.5 8h7',
  box: 'M5 5h6v6H5z',
}

/** The mark of a sign. The word that it stands for is next to it, so it says nothing to a screen reader. */
export const Mark: FC<{ sign: Sign }> = ({ sign }) => (
  <svg class={`mark tone-${sign.tone}`} viewBox="0 0 16 16" aria-hidden="true">
    <path d={strokes[sign.mark]} />
  </svg>
)

/** A sign in its colour: mark and word. */
export const Badge: FC<{ sign: Sign; word?: string }> = ({ sign, word = sign.word }) => (
  <span class={`badge tone-${sign.tone}`}>
    <Mark sign={sign} />
    {word}
  </span>
)

/** What the signs of a picture mean, and how many there are of each. */
export const Legend: FC<PropsWithChildren<{ signs: Sign[]; counted?: boolean }>> = ({
  signs,
  counted = true,
  children,
}) => (
  <p class="sum">
    {[...Map.groupBy(signs, ({ word }) => word).values()].map((same) => (
      <Badge sign={same[0]!} word={counted ? `${same.length} ${same[0]!.word}` : same[0]!.word} />
    ))}
    {children}
  </p>
)

/** The schema of a view with its dot, and its name, as a person reads them. */
export function schemaAndName(view: string): [schema: string, name: string] {
  const [, schema = '', name = forPeople(view)] =
    /^((?:[^."]+|(?:U&)?"(?:[^"]|"")*")\.)(.+)$/.exec(forPeople(view)) ?? []
  return [schema, name]
}

/** The name of a view; its schema is paler, because the eye looks for the rest. A long one breaks between its words. */
export const Name: FC<{ view: string }> = ({ view }) => {
  const [schema, name] = schemaAndName(view)
  const broken = (text: string) =>
    text.split(/(?<=[._])/).map((part, at) => (at === 0 ? part : [<wbr />, part]))
  return (
    <span class="name">
      <span class="schema">{broken(schema)}</span>
      {schema && <wbr />}
      {broken(name)}
    </span>
  )
}

/** A view's name that leads to its page. */
export const ViewLink: FC<{ view: string }> = ({ view }) => (
  <a href={hrefOf('view', view)}>
    <Name view={view} />
  </a>
)

/** A moment in UTC, to the second: `2026-11-20 09:00:00 UTC`. */
export const utc = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`

/** A moment that has passed: `3 min ago`. */
export const Ago: FC<{ at: string }> = ({ at }) => (
  <time datetime={at} title={utc(at)}>
    {ago(Date.now() - Date.parse(at))}
  </time>
)

/** A moment in full. The script writes it in the reader's zone. */
export const Moment: FC<{ at: string }> = ({ at }) => (
  <time class="moment" datetime={at} title={utc(at)}>
    {utc(at)}
  </time>
)

/** SQL as a block. The block takes the focus, so that the keyboard can scroll a wide one. */
export const Sql: FC<{ text: string; of: string }> = ({ text, of }) => (
  <pre class="sql" tabindex={0} role="region" aria-label={`SQL of ${of}`}>
    <code>{text}</code>
  </pre>
)

/** A line to type. The script makes the button copy it. */
export const Command: FC<{ line: string }> = ({ line }) => (
  <span class="command">
    <code>{line}</code>
    <button type="button" class="quiet by-script" data-copy={line} aria-label={`Copy: ${line}`}>
      copy
    </button>
  </span>
)

interface FormOptions {
  does: string
  fields?: Record<string, string | number | boolean | undefined>
  kind?: 'main' | 'quiet' | 'danger' | undefined
  label?: string
  disabled?: boolean
  shortcut?: 'r'
}

/** A button that does something: a form of its own, which is sent to the page that it stands on. What it needs to know is in its fields. */
export const Deed: FC<PropsWithChildren<FormOptions>> = ({
  does,
  fields = {},
  kind,
  label,
  disabled,
  shortcut,
  children,
}) => (
  <form method="post">
    <input type="hidden" name="does" value={does} />
    {Object.entries(fields).map(
      ([name, value]) =>
        value !== undefined && value !== false && <input type="hidden" name={name} value={String(value)} />,
    )}
    <button class={kind} aria-label={label} disabled={disabled} aria-keyshortcuts={shortcut}>
      {children}
    </button>
  </form>
)

/** The sign of a refresh. The button that has it names the view. */
export const RefreshIcon = () => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    <path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3" />
  </svg>
)

/** The first rows of a long list, and the link to more of them: a thousand rows that nobody sees would make every look slow. */
export function firstOf<Row>(
  all: Row[],
  rows = '50',
): { shown: Row[]; more: (href: (rows: string) => string, noun: string) => Child } {
  const most = Math.max(50, Number.parseInt(rows, 10) || 0)
  return {
    shown: all.slice(0, most),
    more: (href, noun) =>
      all.length > most && (
        <a class="more" href={href(String(most + 50))} data-grows>
          {(all.length - most).toLocaleString('en')} more {noun}
        </a>
      ),
  }
}

/** Where a part of a name is typed, which narrows what the page lists. The key `/` leads there. */
export const NameSearch: FC<{ part: string | undefined }> = ({ part = '' }) => (
  <input
    id="part"
    type="search"
    name="q"
    value={part}
    placeholder="Part of a name"
    aria-label="Part of a name"
    aria-keyshortcuts="/"
  />
)

interface FiltersOptions {
  /** The page that is narrowed, and what of its address stays. */
  action: string
  kept: Record<string, string | undefined>
}

/** What narrows a list: chips that are links, and fields of a form that asks for the same page. The script sends it while one types. */
export const Filters: FC<PropsWithChildren<FiltersOptions>> = ({ action, kept, children }) => (
  <search>
    <form class="filters" action={action}>
      {children}
      {Object.entries(kept).map(
        ([name, value]) => value && <input type="hidden" name={name} value={value} />,
      )}
      <button class="by-hand">Show</button>
    </form>
  </search>
)

/** A page of a list, newest first; `older` is where older rows are. */
export const Listed: FC<
  PropsWithChildren<{ none: string; noun: string; older: string | null; empty: boolean }>
> = ({ none, noun, older, empty, children }) => (
  <>
    {empty ? <p class="empty">{none}</p> : children}
    {older && (
      <a class="more" href={older}>
        Older {noun}
      </a>
    )}
  </>
)
