import { expect, test } from 'vitest'
import { withMentions } from '../../../page/pages/view.tsx'
import { pictured } from '../../../src/resources/cell.ts'

const said = (text: string, addresses: Record<string, string>) =>
  withMentions(text, addresses)
    .map(({ text: piece, href }) => (href ? `[${piece}](${href})` : piece))
    .join('')

test('a text leads to the run that it names', () => {
  expect(said('Run 81 waits for run 812.', { 'run 812': '#/runs/812' })).toBe(
    'Run 81 waits for [run 812](#/runs/812).',
  )
  expect(said('Run 812 failed.', { 'run 812': '#/runs/812' })).toBe('[Run 812](#/runs/812) failed.')
})

test('what a text does not name comes after it', () => {
  expect(said('It failed.', { 'run 7': '#/runs/7', 'batch b': '#/batches/b' })).toBe(
    'It failed. [run 7](#/runs/7) [batch b](#/batches/b)',
  )
})

test('a view is found at the end of a sentence, and not inside the name of another one', () => {
  const addresses = { 'public.sales': '#/views/public.sales' }
  expect(said('It reads public.sales_old and public.sales.', addresses)).toBe(
    'It reads public.sales_old and [public.sales](#/views/public.sales).',
  )
  expect(said('It reads public."A+B".', { 'public."A+B"': '#' })).toBe('It reads [public."A+B"](#).')
})

const run = (status: string) => ({
  lastRun: { id: 1, status, requestedAt: '', finishedAt: null, durationMs: null },
})

test.each([
  ['running', { ...run('running'), state: 'stale' }],
  ['missing', { ...run('failed'), state: 'missing' }],
  ['failed', { ...run('failed'), state: 'failed', paused: true }],
  ['fresh', { ...run('skipped'), state: 'fresh' }],
  ['failed', { ...run('pending'), state: 'failed' }],
  ['held back', { ...run('skipped'), state: 'heldBack' }],
  ['unknown', { ...run('pending'), state: 'unknown' }],
  ['pending', { ...run('pending'), state: 'fresh' }],
  ['state not told', { ...run('success') }],
])('in a picture a view is %s before all else', (word, view) => {
  expect(pictured(view as never).word).toBe(word)
})
