import type { ViewMetrics } from '../api/answers.ts'
import { duration } from '../sql/words.ts'
import type { Column } from './cell.ts'

const took = (
  title: string,
  of: (metrics: ViewMetrics) => number | null | undefined,
  leaveOut: number,
): Column<ViewMetrics> => ({
  name: title.toLowerCase(),
  title,
  cell: (metrics) => {
    const ms = of(metrics)
    return ms == null ? null : duration(ms)
  },
  number: true,
  leaveOut,
})

/** The table of the metrics of views. */
export const metricColumns: Column<ViewMetrics>[] = [
  { name: 'view', title: 'View', cell: ({ view }) => ({ view }) },
  { name: 'runs', title: 'Runs', cell: ({ runs }) => String(runs), number: true },
  {
    name: 'success',
    title: 'Success',
    cell: ({ successRate }) =>
      successRate === null
        ? null
        : { text: `${Math.floor(successRate * 100)}%`, tone: successRate < 1 ? 'bad' : undefined },
    number: true,
  },
  took('Average', ({ averageMs }) => averageMs, 0),
  took('P95', ({ p95Ms }) => p95Ms, 2),
  took('Longest', ({ maxMs }) => maxMs, 3),
  took('Usual', ({ usualMs }) => usualMs, 4),
  took('Checks', ({ checksMs }) => checksMs, 5),
  {
    name: 'failure',
    title: 'Last failure',
    cell: ({ lastFailure }) =>
      lastFailure && [lastFailure.class && `${lastFailure.class} `, { past: lastFailure.at }],
    leaveOut: 1,
  },
]

/** Metrics in their order: what took longest comes first. */
export const bySlowness = (list: ViewMetrics[]): ViewMetrics[] => {
  const totalMs = ({ averageMs, succeeded }: ViewMetrics) => (averageMs ?? 0) * succeeded
  return list.toSorted((a, b) => totalMs(b) - totalMs(a))
}
