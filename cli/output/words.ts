import type { Tone } from '../../src/plan/diagnosis/state.ts'
import type { Style } from '../../src/terminal/paint.ts'

const styles: Record<string, Style> = {
  pending: 'cyan',
  running: 'cyan',
  built: 'cyan',
  success: 'green',
  failed: 'red',
  canceled: 'yellow',
  skipped: 'yellow',
}

/** The colour of a status of a run or a batch. */
export const statusStyle = (status: string | undefined): Style | undefined => styles[status ?? '']

/** The sign before a run or view that has this status. */
export const signs: Record<string, string> = {
  waiting: '·',
  pending: '·',
  running: '●',
  built: '◐',
  success: '✓',
  failed: '✗',
  canceled: '–',
  skipped: '–',
  pruned: ' ',
}

const toneStyles: Record<Tone, Style> = {
  bad: 'red',
  warn: 'yellow',
  held: 'yellow',
  busy: 'cyan',
  idle: 'dim',
  good: 'green',
}

/** The colour of a tone. */
export const styleOf = (tone: Tone): Style => toneStyles[tone]
