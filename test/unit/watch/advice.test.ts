import { expect, test } from 'vitest'
import { advice, type Evidence } from '../../../src/watch/diagnosis/advice.ts'

const day = 24 * 3600_000
const told = (more: Partial<Evidence>) =>
  advice('app.top', {
    authored: false,
    strategy: 'auto',
    refreshes: 40,
    regular: 0,
    regularMs: null,
    latestIs: false,
    unreadMs: null,
    refreshesADay: 1,
    hasKey: false,
    isRead: false,
    ...more,
  }).map(({ code, text, next }) => ({ code, says: `${text} ${next ?? ''}` }))
const locks = { regular: 30, regularMs: 4000, latestIs: true }

test.each<[string, Partial<Evidence>]>([
  ['there are too few refreshes to tell', { refreshes: 19, regular: 19 }],
  ['only half of them were regular', { regular: 20 }],
  ['the latest was another', { latestIs: false }],
  ['they were short', { regularMs: 999 }],
  ['there is a key by now, and nothing to change', { hasKey: true }],
])('regular refreshes are not told if %s', (_, more) => {
  expect(told(locks)).toHaveLength(1)
  expect(told({ ...locks, ...more })).toEqual([])
})

test.each<[string, Partial<Evidence>]>([
  ['nobody looks', { unreadMs: null }],
  ['it was read within 90 days', { unreadMs: 90 * day - 1 }],
  ['another view reads it', { isRead: true }],
  ['it is refreshed too often for readers to be seen', { refreshesADay: 721 }],
])('a view is not told as unread if %s', (_, more) => {
  expect(told({ unreadMs: 200 * day })).toHaveLength(1)
  expect(told({ unreadMs: 200 * day, ...more })).toEqual([])
})
