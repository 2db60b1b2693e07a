import type { DayList } from '../../../src/edge/http/schemas/answers.ts'
import { count } from '../../../src/plan/words.ts'
import { type Sign, signOfRun } from '../words/sign.ts'

export type Day = DayList['views'][number]['days'][number]

/** How a day of a view is shown: as its last run ended; a success after failures says both. */
export const signOfDay = ({ last, failed }: Pick<Day, 'last' | 'failed'>): Sign =>
  last === 'success' && failed > 0
    ? { ...signOfRun('success'), word: 'success after failures', tone: 'warn' }
    : signOfRun(last)

/** `3 runs, 1 failed; the last: success` */
export const wordsOfDay = ({ runs, failed, last }: Day): string =>
  `${count(runs, 'run')}${failed > 0 ? `, ${failed} failed` : ''}; the last: ${last}`

/** So many days up to the one of this moment, in UTC: `2026-11-20`. */
export const lastDays = (now: number, many: number): string[] =>
  Array.from({ length: many }, (_, i) =>
    new Date(now - (many - 1 - i) * 24 * 3600_000).toISOString().slice(0, 10),
  )
