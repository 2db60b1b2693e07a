import type { BatchViewStatus } from '../../src/catalog/plan/run.ts'
import { type Mark, signOfRun, type Tone } from '../../src/resources/sign.ts'
import type { Paint, Style } from '../../src/terminal/report.ts'
import type { Output } from './terminal.ts'
import { harmless } from './terminal.ts'

/** A view's name for people to read: schema `public` is left out. */
export const short = (view: string): string => harmless(view.replace(/^public\./, ''))

/**
 * A view's name in a command for people to type: with its schema, because the API looks for a name without one along the
 * search path of Viewkeeper's role.
 */
export const typed = (view: string): string => harmless(view)

/** A message without the view at its beginning, for a line that names the view already. */
export const withoutView = (message: string, view: string): string =>
  message.startsWith(`${view}: `) ? message.slice(view.length + 2) : message

const styles: Record<Tone, Style> = {
  bad: 'red',
  warn: 'yellow',
  held: 'yellow',
  busy: 'cyan',
  built: 'cyan',
  idle: 'dim',
  good: 'green',
}

/** The colour of a tone. */
export function styleOf(tone: Tone): Style
export function styleOf(tone: Tone | undefined): Style | undefined
export function styleOf(tone: Tone | undefined): Style | undefined {
  return tone && styles[tone]
}

const characters: Partial<Record<Mark, string>> = {
  check: '✓',
  cross: '✗',
  play: '●',
  dots: '·',
  box: '◐',
  dash: '–',
}

/** A text in the colour of a status of a run or a batch. */
export const colored = (status: BatchViewStatus, text: string, paint: Paint): string =>
  paint(styleOf(signOfRun(status).tone), text)

/** The sign before a run or view that has this status, in its colour. */
export const signed = (status: BatchViewStatus, paint: Paint): string =>
  colored(status, characters[signOfRun(status).mark] ?? ' ', paint)

/** A line that nobody may overlook. */
export const loud = (line: string, { paint }: Pick<Output, 'paint'>): string =>
  `${paint('yellow', '!')} ${harmless(line)}`
