import { expect, test } from 'vitest'
import { askedFor } from '../../../page/app/batches/batch-words.ts'

test.each([
  ['all views', {}],
  ['all views', { all: true }],
  ['public.a, public.b', { views: ['public.a', 'public.b'] }],
  [
    'sales.* and what they read and what reads them',
    { pattern: 'sales.*', ancestors: true, descendants: true },
  ],
  [
    'views with schedule 0 3 * * * Europe/Berlin',
    { scheduled: { schedule: '0 3 * * *', timeZone: 'Europe/Berlin' } },
  ],
])('a batch was asked for %s', (words, request) => {
  expect(askedFor({ request })).toBe(words)
})
