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

/** Whether nobody will work on a run, or on a batch, any more. */
export const isEnded = (status: RunStatus): boolean => !['pending', 'running', 'built'].includes(status)

export type BatchStatus = Exclude<RunStatus, 'built'>
export const batchStatuses = runStatuses.filter((status) => status !== 'built') as BatchStatus[]

/** Whether views that read each other are exchanged at one moment, or each view when it is ready. */
export const exchanges = ['together', 'each'] as const
export type Exchange = (typeof exchanges)[number]

export const triggers = ['schedule', 'http', 'cli', 'deploy', 'batch'] as const
export type Trigger = (typeof triggers)[number]
