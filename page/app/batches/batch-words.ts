import type { Batch, BatchView } from '../../../src/edge/http/schemas/answers.ts'
import { batchViewOrder } from '../../../src/plan/batches/view-order.ts'
import { count, names } from '../../../src/plan/words.ts'

/** What a batch was asked for: `all views`, `public.sales and what reads them`, `views with schedule 0 3 * * * UTC`. */
export function askedFor({ request }: Pick<Batch, 'request'>): string {
  const { views, pattern, scheduled, ancestors, descendants, retryOf, failed } = request as {
    views?: string[]
    pattern?: string
    scheduled?: { schedule: string; timeZone: string }
    ancestors?: boolean
    descendants?: boolean
    retryOf?: string
    failed?: boolean
  }
  const what = retryOf
    ? `what batch ${retryOf} did not refresh`
    : failed
      ? 'what failed'
      : views
        ? names(views, 3)
        : scheduled
          ? `views with schedule ${scheduled.schedule} ${scheduled.timeZone}`
          : (pattern ?? 'all views')
  const around = [...(ancestors ? ['what they read'] : []), ...(descendants ? ['what reads them'] : [])]
  return [what, ...around].join(' and ')
}

/** How many views of a batch are in each status, the most telling first: `1 failed, 2 skipped, 4 success`. */
export function countStatuses(
  views: Pick<BatchView, 'status'>[],
): { status: BatchView['status']; count: number }[] {
  return batchViewOrder
    .map((status) => ({ status, count: views.filter((view) => view.status === status).length }))
    .filter(({ count: n }) => n > 0)
}

/** The same as a sentence. */
export const sumUp = (views: Pick<BatchView, 'status'>[]): string =>
  countStatuses(views)
    .map(({ status, count: n }) => `${count(n, 'view')} ${status}`)
    .join(', ')
