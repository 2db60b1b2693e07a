import { displayPart } from './names.ts'
import { count, duration } from './phrases.ts'
import type { Computed, Computes, WhyAll } from './run.ts'

/** The codes of `WhyAll`. */
export const whyAllCodes = [
  'due',
  'wrong',
  'outOfRange',
  'notRead',
  'altered',
  'newLog',
  'zone',
  'changed',
] as const satisfies WhyAll['code'][]

/** `computes 5 of about 730 slices of day anew, those that changes have touched; 4 rows written` */
export function wordsOfComputes(computes: Computes, found: Computed = {}): string {
  const { compared, wrong = 0, others = 0, written } = found
  return [
    `computes ${partOf(computes, found)}`,
    compared !== undefined && `of ${compared} slices that no change has touched, ${wrong} differed`,
    wrong > 0 && others > 0 && `others had written ${others} of its rows`,
    written !== undefined && `${count(written, 'row')} written`,
  ]
    .filter((part) => part !== false)
    .join('; ')
}

function partOf(computes: Computes, { anew, of, written }: Computed): string {
  if (!('by' in computes)) {
    const { unused } = computes
    return `all rows, and writes those that differ${unused ? `; its change log is not used: ${unused.because}` : ''}`
  }
  const isCounted = anew !== undefined || of !== undefined || written !== undefined
  const some = isCounted ? (anew ?? 'all') : computes.mode === 'all' && 'all'
  const slices = [some, of !== undefined && `of about ${of}`, `slices of ${displayPart(computes.by)} anew`]
  return `${slices.filter((part) => part !== false).join(' ')}${whichOf(computes)}`
}

function whichOf(computes: Extract<Computes, { by: string }>): string {
  switch (computes.mode) {
    case 'range':
      return `, from ${computes.from} to ${computes.to}`
    case 'touched':
      return `, those that changes have touched${computes.joined ? ', also those of joined tables' : ''}${computes.wholeMs === null ? '' : `; all of them took ${duration(computes.wholeMs)}`}`
    case 'all':
      return `: ${whyAll(computes.because)}${computes.compares ? '' : ', and none can be compared, because its query does not tell which rows there are'}`
  }
}

function whyAll(why: WhyAll): string {
  switch (why.code) {
    case 'due':
      return `${why.every === null ? 'once a day' : `every ${why.every}`} all are`
    case 'wrong':
      return `run ${why.run} found ${why.wrong} of them wrong that the log had not named, so nobody believes it until it is dropped and made anew`
    case 'outOfRange':
      return 'a refresh by the log met a time beyond the range of its type, which the query may leave out, so nobody uses it until it is dropped and made anew'
    case 'zone':
      return `TimeZone ${why.zone} may give another meaning to names of zones`
    case 'notRead':
      return 'the last refresh has not read the log'
    case 'altered':
      return 'it was altered, granted or refreshed since the last refresh on record'
    case 'newLog':
      return 'the log is a new one'
    case 'changed':
      return why.what
  }
}
