import type { View } from '../../../src/api/answers.ts'

export const now = new Date('2026-11-21T12:00:00Z')
export const minutesAgo = (minutes: number) => new Date(now.getTime() - minutes * 60_000).toISOString()
const hour = 3_600_000

/** A view as the API tells it: refreshed 3 minutes ago, and well, but for what is given. */
export const viewOf = (changes: Partial<View>): View => ({
  id: 1,
  view: `public.${changes.name ?? 'sales'}`,
  schema: 'public',
  name: 'sales',
  source: 'authored',
  strategy: 'auto',
  populated: true,
  paused: false,
  aside: null,
  state: 'fresh',
  culprit: null,
  promisedMs: null,
  promisedFor: null,
  sizeBytes: 8192,
  estimatedRows: 4309,
  countedRows: 4309,
  lastRun: {
    id: 7,
    status: 'success',
    requestedAt: minutesAgo(3),
    finishedAt: minutesAgo(3),
    durationMs: 9300,
  },
  lastSuccessAt: minutesAgo(3),
  asOf: minutesAgo(3),
  heldBackBy: null,
  staleMs: 180_000,
  dependsOn: [],
  neededBy: [],
  maxStaleMs: 25 * hour,
  stale: false,
  nextRun: '2026-11-22T09:00:00Z',
  nextBy: 'nightly',
  schedule: null,
  timeZone: null,
  targetLagSeconds: null,
  lagWorksSeconds: null,
  suspendedUntil: null,
  missing: false,
  checked: false,
  checkFailedSince: null,
  retry: null,
  ...changes,
})
