import { isEnded, type RunStatus } from '../../words/run.ts'

/** The deeds that the record tells of, beside plain refreshes. The schema's check has the same list. */
export const actionNames = [
  'pause',
  'resume',
  'quiet',
  'cancel',
  'force',
  'create',
  'drop',
  'retry',
  'set-aside',
  'put-back',
  'alter',
  'without-checks',
] as const
export type ActionName = (typeof actionNames)[number]

interface Done {
  action: ActionName
  /** Of the run or the batch. */
  status: RunStatus | null
  request: Record<string, unknown>
}

/** What was asked for, and how it ended if not as asked: `drop`, `drop, failed`, `cancel, too late`. */
export function askedOf({ action, status }: Pick<Done, 'action' | 'status'>): string {
  if (status === null || status === (action === 'cancel' ? 'canceled' : 'success')) return action
  return action === 'cancel' && isEnded(status) ? 'cancel, too late' : `${action}, ${status}`
}

/** The options of an action: `force, strategy swap`. The view is told already. */
export const optionsOf = ({ request: { view: _view, ...options } }: Pick<Done, 'request'>): string =>
  Object.entries(options)
    .filter(([, value]) => value !== false && String(value) !== '')
    .map(([name, value]) => (value === true ? name : `${name} ${[value].flat().map(wordOf).join(', ')}`))
    .join(', ')

const wordOf = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value))

/** Who it was, without what is alike in all ARNs: `anna`, `deployer/build-7`. */
export const personOf = (requestedBy: string): string =>
  requestedBy.replace(/^arn:[^/]*:(?:user|role|assumed-role)\//, '')
