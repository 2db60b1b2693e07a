// The words of a run's record. The schema's checks have the same lists.

export const operations = ['create', 'refresh', 'drop'] as const
export type Operation = (typeof operations)[number]

export const runStatuses = ['pending', 'running', 'success', 'failed', 'canceled', 'skipped'] as const
export type RunStatus = (typeof runStatuses)[number]

export const triggers = ['schedule', 'http', 'cli', 'deploy', 'batch'] as const
export type Trigger = (typeof triggers)[number]
