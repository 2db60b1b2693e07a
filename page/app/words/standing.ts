import { isEnded } from '../../../src/plan/run.ts'
import { stateOf, type ViewState } from '../../../src/plan/views/cause.ts'
import type { RunStatus, View } from '../api/types.ts'

/** How something stands: the word that people read, the colour, and the mark that says the same without colour. */
export interface Standing {
  word: string
  tone: Tone
  mark: Mark
}

type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'idle' | 'held' | 'built'
export type Mark = 'check' | 'clock' | 'cross' | 'play' | 'dots' | 'pause' | 'ring' | 'gone' | 'dash' | 'box'

const standing = (word: string, tone: Tone, mark: Mark): Standing => ({ word, tone, mark })

const ofView: Record<ViewState, Standing> = {
  fresh: standing('fresh', 'good', 'check'),
  unlimited: standing('no limit', 'good', 'dash'),
  stale: standing('stale', 'warn', 'clock'),
  missing: standing('missing', 'bad', 'gone'),
  aside: standing('aside', 'held', 'gone'),
  unpopulated: standing('no data', 'warn', 'ring'),
}

/** How a state of a view is shown. */
export const standingOf = (state: ViewState): Standing => ofView[state]

/** How a pause is shown. */
export const paused: Standing = standing('paused', 'held', 'pause')

const ofRun: Record<RunStatus | 'waiting' | 'pruned', Standing> = {
  waiting: standing('waiting', 'idle', 'dots'),
  pending: standing('pending', 'idle', 'dots'),
  running: standing('running', 'busy', 'play'),
  built: standing('built', 'built', 'box'),
  success: standing('success', 'good', 'check'),
  failed: standing('failed', 'bad', 'cross'),
  canceled: standing('canceled', 'idle', 'cross'),
  skipped: standing('skipped', 'idle', 'dash'),
  pruned: standing('pruned', 'idle', 'dash'),
}

/** How the status of a run, or of a view within a batch, is shown. */
export const standingOfRun = (status: keyof typeof ofRun): Standing => ofRun[status]

/** Whether a run or a batch of this status goes on. */
export const isOpen = (status: keyof typeof ofRun): boolean =>
  status === 'waiting' || (status !== 'pruned' && !isEnded(status))

/**
 * The one standing of a view in a picture: what happens with it now, else what is wrong with it, else how its
 * data stand.
 */
export function pictured(view: View): Standing {
  const state = stateOf(view)
  const status = view.lastRun?.status
  if (status && isOpen(status)) return ofRun[status]
  if (state === 'missing' || state === 'unpopulated') return ofView[state]
  if (status === 'failed') return ofRun.failed
  if (state === 'stale') return ofView.stale
  return view.paused ? paused : ofView[state]
}
