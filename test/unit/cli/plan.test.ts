import { expect, test } from 'vitest'
import { planLines, recommendationLines } from '../../../cli/output/plan.ts'
import type { Plan, PlannedView } from '../../../src/edge/http/schemas/answers.ts'
import { plain } from '../../../src/terminal/paint.ts'

const output = { width: 80, paint: plain }
const viewOf = (name: string, more: Partial<PlannedView> = {}): PlannedView => ({
  view: `public.${name}`,
  paused: false,
  refreshes: 96,
  leftOut: 0,
  busyMs: 3_072_000,
  usualMs: 32_000,
  succeeded: 900,
  turns: 0,
  missedTurns: 0,
  targetLagMs: 900_000,
  maxStaleMs: 900_000,
  worksMs: null,
  oldestMs: 840_000,
  heldBackBy: null,
  broken: [],
  ...more,
})
const hoursOf = (busy: Record<number, number>): Plan['hours'] =>
  Array.from({ length: 24 }, (_, at) => ({
    at: new Date(Date.UTC(2026, 10, 23, 9 + at)).toISOString(),
    refreshes: busy[at] === undefined ? 0 : 4,
    busyMs: busy[at] ?? 0,
    atOnce: busy[at] === undefined ? 0 : 1,
  }))
const planOf = (views: PlannedView[], busy: Record<number, number> = { 0: 60_000, 17: 1_200_000 }) => ({
  from: '2026-11-23T09:00:00.000Z',
  paused: false,
  hours: hoursOf(busy),
  views,
})

test('the plan of a day tells the hours with refreshes, the longest load first, and the promises that break', () => {
  const broken = [{ promise: 'lag' as const, text: 'the target lag of 15 min cannot be kept: 17 min can' }]
  const lines = planLines(
    planOf([
      viewOf('small', { busyMs: 1000, leftOut: 3 }),
      viewOf('sales', { broken }),
      viewOf('idle', { refreshes: 0, busyMs: 0 }),
    ]),
    output,
  )
  expect(lines[0]).toBe('24 hours from 2026-11-23 09:00 UTC: 8 refreshes, 21 min of work')
  expect(lines.filter((line) => line.includes('█')).map((line) => line.replace(/ +/g, ' '))).toEqual([
    '09:00 4 60 s 1 ██',
    `02:00 4 20 min 1 ${'█'.repeat(24)}`,
  ])
  const at = (word: string) => lines.findIndex((line) => line.startsWith(word))
  expect(at('sales')).toBeLessThan(at('small'))
  expect(at('idle')).toBe(-1)
  expect(lines.at(-1)).toBe('✗ sales: the target lag of 15 min cannot be kept: 17 min can')
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
})

test('a view that a paused view holds back is told apart from broken promises', () => {
  const held = { oldestMs: 86_400_000, heldBackBy: 'public.root' }
  const lines = (paused: boolean) =>
    planLines(planOf([viewOf('child', held), viewOf('root', { paused, refreshes: 0 })]), output).slice(-2)
  expect(lines(true)).toEqual([
    'Every promise is kept, if refreshes take as long as usual.',
    '! child: held back by root, which is paused',
  ])
  expect(lines(false)).not.toContain('! child: held back by root, which is paused')
})

test('a plan of nothing says so, and one of a paused environment as what it is made', () => {
  const lines = planLines({ ...planOf([], {}), paused: true }, output)
  expect(lines).toEqual([
    '24 hours from 2026-11-23 09:00 UTC, as if schedules were not paused: 0 refreshes, 0.00 s of work',
    '',
    'Every promise is kept, if refreshes take as long as usual.',
  ])
})

test('a recommendation tells the evidence, the line to change, and how sure it is; too early has no line', () => {
  const one = {
    view: 'public.sales',
    subject: 'target' as const,
    text: 'the target lag of 10 min cannot be kept: 14 min can',
    change: 'targetLagSeconds: 840',
    refreshes: 40,
    confidence: 'fair' as const,
  }
  expect(recommendationLines([one, { ...one, change: null, confidence: 'none' }], output)).toEqual([
    '▸ sales: the target lag of 10 min cannot be kept: 14 min can',
    '  change: targetLagSeconds: 840 (confidence fair, 40 refreshes)',
    '▸ sales: the target lag of 10 min cannot be kept: 14 min can',
  ])
  expect(recommendationLines([], output)).toEqual(['Nothing to change, by what the record says.'])
})
