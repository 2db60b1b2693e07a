import type { ComponentChildren } from 'preact'

/** A column of a table. Its heads and cells have the class `of-<name>`. */
export interface Column<Row> {
  name: string
  title: ComponentChildren
  cell(row: Row): ComponentChildren
  /** More classes of the cells. */
  class?: string
  /** What a cell adds under the mouse pointer. */
  hint?(row: Row): string
  number?: true
  /** Whether the cells name their rows. */
  names?: true
}

interface Options<Row> {
  class: string
  columns: Column<Row>[]
  rows: Row[]
  keyOf: (row: Row) => string | number
  isChosen?: (row: Row) => boolean
}

/** A table; on a narrow screen each row is a card. The roles keep it a table there for screen readers. */
export const Table = <Row,>({ class: of, columns, rows, keyOf, isChosen }: Options<Row>) => (
  <table class={of} role="table">
    <thead role="rowgroup">
      <tr role="row">
        {columns.map(({ name, title, number }) => (
          <th role="columnheader" scope="col" class={`of-${name} ${number ? 'number' : ''}`} key={name}>
            {title}
          </th>
        ))}
      </tr>
    </thead>
    <tbody role="rowgroup">
      {rows.map((row) => (
        <tr role="row" class={isChosen?.(row) ? 'chosen' : undefined} key={keyOf(row)}>
          {columns.map(({ name, cell, class: more = '', hint, number, names }) => {
            const options = {
              class: `of-${name} ${number ? 'number' : ''} ${more}`.trimEnd(),
              title: hint?.(row),
            }
            return names ? (
              <th role="rowheader" scope="row" key={name} {...options}>
                {cell(row)}
              </th>
            ) : (
              <td role="cell" key={name} {...options}>
                {cell(row)}
              </td>
            )
          })}
        </tr>
      ))}
    </tbody>
  </table>
)

/** A value, or a dash if there is none. */
export const orDash = (value: ComponentChildren): ComponentChildren => value || <span class="none">–</span>
