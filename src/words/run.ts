import type { ProblemCode } from './problem.ts'

// The words in the records of runs and batches. The check constraints of the schema repeat these lists.

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

/** Whether a run or a batch has ended: its status is final. */
export const isEnded = (status: RunStatus): boolean =>
  !(openStatuses as readonly RunStatus[]).includes(status)

export type BatchStatus = Exclude<RunStatus, 'built'>
const isBatchStatus = (status: RunStatus): status is BatchStatus => status !== 'built'
export const batchStatuses = runStatuses.filter(isBatchStatus)
export const openBatchStatuses = openStatuses.filter(isBatchStatus)

/** Whether a batch has not ended. */
export const isOpenBatch = ({ status }: { status: BatchStatus }): boolean =>
  openBatchStatuses.some((open) => open === status)

/** `together`: a batch exchanges views that read each other at one moment; `each`: every view once it is ready. */
export const exchanges = ['together', 'each'] as const
export type Exchange = (typeof exchanges)[number]

export const triggers = ['schedule', 'http', 'cli', 'deploy', 'batch', 'program'] as const
export type Trigger = (typeof triggers)[number]

/** Whether a run has no person behind it. The global pause holds back only such runs. */
export const isScheduled = (trigger: Trigger): boolean => trigger === 'schedule' || trigger === 'deploy'

/** Why a run did not succeed: the same in its record, over HTTP and in logs. It has no row data. */
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

/** The status of a view in a batch: that of its latest run, `waiting` before the first, `pruned` if the history has lost the run. */
export type BatchViewStatus = RunStatus | 'waiting' | 'pruned'

/** The order in which lists show the views of a batch: those first that need attention. */
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

/** The proof that a refresh would change nothing: it makes the data of a view newer without one. */
export interface Unchanged {
  /** The moment whose data the view shows, as the server writes a time. */
  asOf: string
  heldBackBy: string | null
  /** Whether the proof is that counters of tables have not moved. */
  counted?: boolean
}

/** Usual durations of a view, in milliseconds, from its last 20 successful refreshes; null if none was of that kind. */
export interface UsualDurations {
  /** How long a regular refresh locks readers out: the median of the last ten. */
  regularMs: number | null
  /** How long a swap locks readers out: the median of the last ten. */
  exchangeMs: number | null
  /** How long it takes to compute and write the rows: the median of the last ten refreshes. */
  fillMs: number | null
  /** Whether the last refresh was regular. */
  wasRegular: boolean
  /** The average of refreshes together with the views that read it. */
  groupMs: number | null
  /** The average of concurrent refreshes. */
  concurrentMs: number | null
  /** `regularUpToMs` of the environment. */
  upToMs: number
}

const unknownMs = 100

/** The guess for a view without a usual duration, in milliseconds: the median of the usual durations that are known, or a tenth of a second. */
export function unknownDuration(usual: (number | null)[]): number {
  const known = usual.filter((ms) => ms !== null).sort((a, b) => a - b)
  return known[Math.floor((known.length - 1) / 2)] ?? unknownMs
}

/** Why a refresh by a change log computes all slices. */
export type WhyAll =
  | { code: 'due'; every: string | null }
  | { code: 'wrong'; run: number; wrong: number }
  | { code: 'outOfRange' | 'notRead' | 'altered' | 'newLog' }
  | { code: 'zone'; zone: string }
  | { code: 'changed'; what: string }

/**
 * What a refresh of an incremental table computes, as it stands on record. `range`: the slices that were asked for; `touched`: those that its
 * change log names; `all`: all slices of a column, or all rows.
 */
export type Computes =
  | { mode: 'range'; by: string; from: string; to: string }
  | { mode: 'touched'; by: string; joined: boolean; wholeMs: number | null }
  | { mode: 'all'; by: string; because: WhyAll; compares: boolean }
  | { mode: 'all'; unused?: { because: string; log: number | null } }

/** What such a refresh has found out about itself: how many slices it has computed, compared and found wrong, and how many rows were written, by it and by others. */
export interface Computed {
  anew?: number
  of?: number
  compared?: number
  wrong?: number
  others?: number
  written?: number
}
