import type { ProblemCode } from './problem.ts'

// The words of a run's record. The schema's checks have the same lists.

export const operations = ['create', 'refresh', 'drop'] as const
export type Operation = (typeof operations)[number]

export const runStatuses = [
  'pending',
  'running',
  'built',
  'success',
  'failed',
  'canceled',
  'skipped',
] as const
export type RunStatus = (typeof runStatuses)[number]

/** The statuses of a run that has not ended. */
const openStatuses = ['pending', 'running', 'built'] as const satisfies RunStatus[]

/** Whether nobody will work on a run, or on a batch, any more. */
export const isEnded = (status: RunStatus): boolean =>
  !(openStatuses as readonly RunStatus[]).includes(status)

export type BatchStatus = Exclude<RunStatus, 'built'>
const isBatchStatus = (status: RunStatus): status is BatchStatus => status !== 'built'
export const batchStatuses = runStatuses.filter(isBatchStatus)
export const openBatchStatuses = openStatuses.filter(isBatchStatus)

/** Whether a batch has something left to do. */
export const isOpenBatch = ({ status }: { status: BatchStatus }): boolean =>
  openBatchStatuses.some((open) => open === status)

/** Whether views that read each other are exchanged at one moment, or each view when it is ready. */
export const exchanges = ['together', 'each'] as const
export type Exchange = (typeof exchanges)[number]

export const triggers = ['schedule', 'http', 'cli', 'deploy', 'batch', 'program'] as const
export type Trigger = (typeof triggers)[number]

/** Whether no person asked. The global pause holds only this back. */
export const isScheduled = (trigger: Trigger): boolean => trigger === 'schedule' || trigger === 'deploy'

/** Why a run did not succeed; the same words on the run record, over HTTP and in logs. Holds no row data. */
export interface RunError {
  class: ProblemCode
  message: string
  sqlstate?: string
  detail?: string
  hint?: string
  context?: string
  /** The run that was in the way (AlreadyRunning). */
  runningRunId?: number
}

/** Why a batch did not end as a success. */
export interface BatchError {
  class: ProblemCode
  message: string
  /** The views that failed (ViewsFailed). */
  views?: string[]
  /** The batch that is in the way (BatchAlreadyOpen). */
  openBatchId?: string
}

/** How a batch ended, as in its record. */
export type BatchEnd =
  | { status: 'success'; error: null }
  | { status: 'failed' | 'canceled' | 'skipped'; error: BatchError }

/** How a view of a batch stands: `waiting` before its first run, `pruned` if the history no longer has the run. */
export type BatchViewStatus = RunStatus | 'waiting' | 'pruned'

/** The most telling first: what went wrong, what goes on, what waits, what is done. */
export const batchViewOrder: readonly BatchViewStatus[] = [
  'failed',
  'running',
  'built',
  'canceled',
  'pending',
  'waiting',
  'skipped',
  'success',
  'pruned',
]

/** As of when the data of a view are by now, although nobody has refreshed it. */
export interface Unchanged {
  /** As the server writes it. */
  asOf: string
  heldBackBy: string | null
  /** Whether the counters of tables prove it. */
  counted?: boolean
}

/** How long the last refreshes of a view took, in milliseconds; null if there was none of that kind lately. */
export interface UsualDurations {
  /** How long the last ten regular ones have locked readers out, by their median. */
  regularMs: number | null
  /** How long the last ten swaps have. */
  exchangeMs: number | null
  /** How long the last ten of all took to compute and write the rows. */
  fillMs: number | null
  /** Whether the last one was regular. */
  wasRegular: boolean
  /** The average of those together with the views that read it. */
  groupMs: number | null
  /** The average of the concurrent ones. */
  concurrentMs: number | null
  /** `regularUpToMs` of the environment. */
  upToMs: number
}

/** What nobody knows anything about is thought to take so long, in milliseconds. */
const unknownMs = 1000

/** How long a refresh takes whose usual duration nobody knows, in milliseconds: the median of those that are known, or a second. */
export function unknownDuration(usual: (number | null)[]): number {
  const known = usual.filter((ms) => ms !== null).sort((a, b) => a - b)
  return known[Math.floor((known.length - 1) / 2)] ?? unknownMs
}
