import { expect, test } from 'vitest'
import { textOf } from '../../../cli/output/table.ts'
import { askedFor } from '../../../src/resources/run-facts.ts'

test.each([
  ['all views', {}],
  ['all views', { all: true }],
  ['sales, app.b', { views: ['public.sales', 'app.b'] }],
  ['sales, app.b, app.c and 1 more', { views: ['sales', 'app.b', 'app.c', 'app.d'] }],
  ['what failed', { failed: true }],
  ['what batch b did not refresh', { retryOf: 'b' }],
  [
    'sales.* and what they read and what reads them',
    { pattern: 'sales.*', ancestors: true, descendants: true },
  ],
  ['sales and what reads them', { pattern: '*.sales', descendants: true }],
  [
    'views with schedule 0 3 * * * Europe/Berlin',
    { scheduled: { schedule: '0 3 * * *', timeZone: 'Europe/Berlin' } },
  ],
])('a batch was asked for %s', (words, request) => {
  expect(textOf(askedFor({ request }), new Date())).toBe(words)
})
