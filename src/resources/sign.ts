import type { View } from '../api/answers.ts'
import { type BatchViewStatus, isEnded } from '../catalog/plan/run.ts'
import { type AnyState, type Tone as ViewTone, wordsOfState } from '../catalog/plan/state.ts'

/** How something stands: the word that people read, the colour, and the mark that says the same without colour. */
export interface Sign {
  word: string
  tone: Tone
  mark: Mark
}

export type Tone = ViewTone | 'built'
export type Mark = 'check' | 'clock' | 'cross' | 'play' | 'dots' | 'pause' | 'ring' | 'gone' | 'dash' | 'box'

const sign = (word: string, tone: Tone, mark: Mark): Sign => ({ word, tone, mark })

const marks: Record<AnyState, Mark> = {
  missing: 'gone',
  aside: 'gone',
  unpopulated: 'ring',
  failed: 'cross',
  heldBack: 'dots',
  stale: 'clock',
  paused: 'pause',
  unknown: 'clock',
  unlimited: 'dash',
  fresh: 'check',
}

/** How a state of a view is shown; one that an older or a newer version does not have, too. */
export const signOf = (state: AnyState): Sign => ({ ...wordsOfState(state), mark: marks[state] ?? 'dash' })

const ofRun: Record<BatchViewStatus, Sign> = {
  waiting: sign('waiting', 'idle', 'dots'),
  pending: sign('pending', 'idle', 'dots'),
  running: sign('running', 'busy', 'play'),
  built: sign('built', 'built', 'box'),
  success: sign('success', 'good', 'check'),
  failed: sign('failed', 'bad', 'cross'),
  canceled: sign('canceled', 'idle', 'dash'),
  skipped: sign('skipped', 'idle', 'dash'),
  pruned: sign('pruned', 'idle', 'dash'),
}

/** How the status of a run, or of a view within a batch, is shown; one that a newer version has, too. */
export const signOfRun = (status: BatchViewStatus): Sign => ofRun[status] ?? sign(status, 'idle', 'dash')

/** Whether a run or a batch of this status goes on. */
export const isOpen = (status: BatchViewStatus): boolean =>
  status === 'waiting' || (status !== 'pruned' && !isEnded(status))

/** Whether a sign says that somebody has to look. */
export const isUnwell = ({ tone }: Sign): boolean => tone === 'bad' || tone === 'warn'

/**
 * The one sign of a view in a picture: that it is being refreshed, or else how it stands. A view that only waits for its turn shows that
 * if it is well. `status` is that of its last run, or of the view in the batch that goes on.
 */
export function pictured(
  { state, lastRun }: View,
  status: BatchViewStatus | undefined = lastRun?.status,
): Sign {
  const stands = signOf(state)
  if (status === undefined || !isOpen(status)) return stands
  const waits = status === 'waiting' || status === 'pending'
  return waits && isUnwell(stands) ? stands : signOfRun(status)
}
