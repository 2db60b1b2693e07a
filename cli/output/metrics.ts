import type { ViewMetrics } from '../../src/edge/http/schemas/answers.ts'
import { ago, duration } from '../../src/plan/words.ts'
import { short } from './names.ts'
import { savedColumn } from './saved.ts'
import { type Column, tableLines } from './table.ts'
import type { Output } from './terminal.ts'

/** Metrics as a table: what took longest comes first. */
export function metricsTable(list: ViewMetrics[], now: Date, output: Output): string[] {
  const took = (
    title: string,
    of: (metrics: ViewMetrics) => number | null,
    leaveOut: number,
  ): Column<ViewMetrics> => ({
    title,
    cell: (metrics) => {
      const ms = of(metrics)
      return ms === null ? '' : duration(ms)
    },
    right: true,
    leaveOut,
  })
  const totalMs = ({ averageMs, succeeded }: ViewMetrics) => (averageMs ?? 0) * succeeded
  return tableLines(
    [
      { title: 'VIEW', cell: ({ view }) => short(view) },
      { title: 'RUNS', cell: ({ runs }) => String(runs), right: true },
      {
        title: 'SUCCESS',
        cell: ({ successRate }) => (successRate === null ? '' : `${Math.floor(successRate * 100)}%`),
        style: ({ successRate }) => (successRate !== null && successRate < 1 ? 'red' : undefined),
        right: true,
      },
      took('AVERAGE', ({ averageMs }) => averageMs, 0),
      took('P95', ({ p95Ms }) => p95Ms, 2),
      took('LONGEST', ({ maxMs }) => maxMs, 3),
      took('USUAL', ({ usualMs }) => usualMs, 4),
      savedColumn(5),
      took('CHECKS', ({ checksMs }) => checksMs ?? null, 6),
      {
        title: 'LAST FAILURE',
        cell: ({ lastFailure }) =>
          lastFailure === null
            ? ''
            : `${lastFailure.class ?? ''} ${ago(now.getTime() - Date.parse(lastFailure.at))}`,
        leaveOut: 1,
      },
    ],
    list.toSorted((a, b) => totalMs(b) - totalMs(a)),
    output,
  )
}
