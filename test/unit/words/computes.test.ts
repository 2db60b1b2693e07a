import { expect, test } from 'vitest'
import { wordsOfComputes } from '../../../src/words/computes.ts'
import type { Computed, Computes, WhyAll } from '../../../src/words/run.ts'

const all = (because: WhyAll, compares = true): Computes => ({ mode: 'all', by: 'day', because, compares })
const range: Computes = { mode: 'range', by: 'day', from: '2026-11-01', to: '2026-11-07' }
const touched: Computes = { mode: 'touched', by: 'Day', joined: false, wholeMs: null }

test.each<[Computes, Computed | undefined, string]>([
  [{ mode: 'all' }, undefined, 'computes all rows, and writes those that differ'],
  [{ mode: 'all' }, { written: 1 }, 'computes all rows, and writes those that differ; 1 row written'],
  [
    { mode: 'all', unused: { because: 'it is not there', log: null } },
    { written: 2 },
    'computes all rows, and writes those that differ; its change log is not used: it is not there; 2 rows written',
  ],
  [range, undefined, 'computes slices of day anew, from 2026-11-01 to 2026-11-07'],
  [
    range,
    { anew: 7, of: 10, written: 0 },
    'computes 7 of about 10 slices of day anew, from 2026-11-01 to 2026-11-07; 0 rows written',
  ],
  [touched, undefined, 'computes slices of "Day" anew, those that changes have touched'],
  [touched, { anew: 5 }, 'computes 5 slices of "Day" anew, those that changes have touched'],
  // The log has more than a refresh goes by.
  [touched, { of: 10 }, 'computes all of about 10 slices of "Day" anew, those that changes have touched'],
  [
    { ...touched, joined: true, wholeMs: 8600 },
    { anew: 5, of: 10 },
    'computes 5 of about 10 slices of "Day" anew, those that changes have touched, also those of joined tables; all of them took 8.6 s',
  ],
  [
    all({ code: 'notRead' }),
    undefined,
    'computes all slices of day anew: the last refresh has not read the log',
  ],
  [
    all({ code: 'due', every: null }),
    { of: 11, compared: 9, wrong: 1, others: 2, written: 4 },
    'computes all of about 11 slices of day anew: once a day all are; of 9 slices that no change has touched, 1 differed; others had written 2 of its rows; 4 rows written',
  ],
  [
    all({ code: 'due', every: '1 h' }, false),
    undefined,
    'computes all slices of day anew: every 1 h all are, and none can be compared, because its query does not tell which rows there are',
  ],
  [all({ code: 'newLog' }), undefined, 'computes all slices of day anew: the log is a new one'],
  [
    all({ code: 'altered' }),
    undefined,
    'computes all slices of day anew: it was altered, granted or refreshed since the last refresh on record',
  ],
  [
    all({ code: 'zone', zone: '+02' }),
    undefined,
    'computes all slices of day anew: TimeZone +02 may give another meaning to names of zones',
  ],
  [
    all({ code: 'changed', what: 'its query has changed' }),
    undefined,
    'computes all slices of day anew: its query has changed',
  ],
  [
    all({ code: 'outOfRange' }),
    undefined,
    'computes all slices of day anew: a refresh by the log met a time beyond the range of its type, which the query may leave out, so nobody uses it until it is dropped and made anew',
  ],
  [
    all({ code: 'wrong', run: 7, wrong: 2 }),
    undefined,
    'computes all slices of day anew: run 7 found 2 of them wrong that the log had not named, so nobody believes it until it is dropped and made anew',
  ],
])('%j with %j', (computes, found, words) => {
  expect(wordsOfComputes(computes, found)).toBe(words)
})
