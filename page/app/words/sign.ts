import type { View } from '../../../src/edge/http/schemas/answers.ts'
import type { BatchViewStatus } from '../../../src/plan/batches/view-order.ts'
import { type AnyState, type Tone as ViewTone, wordsOfState } from '../../../src/plan/diagnosis/state.ts'
import { isEnded } from '../../../src/plan/run.ts'

/** How something stands: the word that people read, the colour, and the mark that says the same without colour. */
export interface Sign {
  word: string
  tone: Tone
  mark: Mark
}

type Tone = ViewTone | 'built'
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

/** How a state of a view is shown. */
export const signOf = (state: AnyState): Sign => ({ ...wordsOfState(state), mark: marks[state] })

const ofRun: Record<BatchViewStatus, Sign> = {
  waiting: sign('waiting', 'idle', 'dots'),
  pending: sign('pending', 'idle', 'dots'),
  running: sign('running', 'busy', 'play'),
  built: sign('built', 'built', 'box'),
  success: sign('success', 'good', 'check'),
  failed: sign('failed', 'bad', 'cross'),
  canceled: sign('canceled', 'idle', 'cross'),
  skipped: sign('skipped', 'idle', 'dash'),
  pruned: sign('pruned', 'idle', 'dash'),
}

/** How the status of a run, or of a view within a batch, is shown. */
export const signOfRun = (status: keyof typeof ofRun): Sign => ofRun[status]

/** Whether a run or a batch of this status goes on. */
export const isOpen = (status: keyof typeof ofRun): boolean =>
  status === 'waiting' || (status !== 'pruned' && !isEnded(status))

/** The one sign of a view in a picture: what happens with it now, else what is worst about it. */
export function pictured(view: View): Sign {
  const status = view.lastRun?.status
  return status && isOpen(status) && !view.retry ? ofRun[status] : signOf(view.state)
}
