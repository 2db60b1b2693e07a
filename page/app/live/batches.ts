import type { BatchDetails, BatchList } from '../../../src/api/answers.ts'
import { isOpen } from '../../../src/resources/sign.ts'
import { getAll } from '../api/client.ts'
import { type Live, useGet, useLive } from './use-live.ts'

/** One batch with all its views; null loads nothing. */
export function useBatch(id: string | null): Live<BatchDetails> {
  const path = id === null ? null : `/batches/${encodeURIComponent(id)}`
  const join = (all: BatchDetails, page: BatchDetails) => ({ ...page, views: [...all.views, ...page.views] })
  return useLive(
    path,
    (signal) => getAll<BatchDetails>(path!, join, signal),
    ({ status }) => isOpen(status),
  )
}

/** A page of batches, newest first. */
export const useBatches = (path: string): Live<BatchList> =>
  useGet(path, ({ batches }) => batches.some(({ status }) => isOpen(status)))
