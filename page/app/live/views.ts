import type { ViewList } from '../../../src/api/answers.ts'
import { isOpen } from '../../../src/resources/sign.ts'
import { getAll } from '../api/client.ts'
import { type Live, useLive } from './use-live.ts'

/** Every view, once. */
export const loadViews = (signal?: AbortSignal): Promise<ViewList> =>
  getAll<ViewList>('/views', (all, page) => ({ ...page, views: [...all.views, ...page.views] }), signal)

/** Every view. */
export const useViews = (): Live<ViewList> =>
  useLive('/views', loadViews, ({ views }) =>
    views.some(({ lastRun }) => lastRun !== null && isOpen(lastRun.status)),
  )
