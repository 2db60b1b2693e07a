import { expect, test } from 'vitest'
import { around, connected } from '../../../page/pages/batches.tsx'
import { labelled } from '../../../page/pictures/graph.tsx'
import { draw } from '../../../page/pictures/layout.ts'

const views = [
  { view: 'base', dependsOn: [] },
  { view: 'left', dependsOn: ['base'] },
  { view: 'right', dependsOn: ['base', 'elsewhere'] },
  { view: 'top', dependsOn: ['left', 'right'] },
  { view: 'alone', dependsOn: ['elsewhere'] },
]
const drawn = (of: Parameters<typeof labelled>[0]) => draw(labelled(of))
const names = (of: { view: string }[]) => of.map(({ view }) => view)

test('the surroundings of a view are all that it reads and all that reads it, also through others', () => {
  expect(names(around(views, 'left'))).toEqual(['base', 'left', 'top'])
  expect(names(around(views, 'base'))).toEqual(['base', 'left', 'right', 'top'])
})

test('views that read no other of the list, and are read by none, are not connected', () => {
  expect(names(connected(views))).toEqual(['base', 'left', 'right', 'top'])
})

test('a view stands to the right of those that it reads, and boxes do not overlap', () => {
  const { boxes, arrows, width, height } = drawn(views)
  const box = (view: string) => boxes.find((each) => each.view === view)!
  expect(arrows.map(({ from, to }) => `${from} ${to}`).sort()).toEqual([
    'base left',
    'base right',
    'left top',
    'right top',
  ])
  for (const { from, to } of arrows) expect(box(from).x + box(from).width).toBeLessThan(box(to).x)
  for (const a of boxes) {
    expect(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height).toBe(true)
    for (const b of boxes)
      if (a !== b && a.x < b.x + b.width && b.x < a.x + a.width)
        expect(a.y + a.height <= b.y || b.y + b.height <= a.y).toBe(true)
  }
})

test('a long name is cut', () => {
  const [box] = drawn([{ view: 'a'.repeat(63), dependsOn: [] }]).boxes
  expect(box!.label).toBe(`${'a'.repeat(31)}…`)
})

test('a schema that all views have is left out of the boxes, and one of several is not', () => {
  const labels = (...of: string[]) =>
    drawn(of.map((view) => ({ view, dependsOn: [] }))).boxes.map(({ label }) => label)
  expect(labels('public.a', 'public."b.c"')).toEqual(['a', '"b.c"'])
  expect(labels('public.a', 'sales.b')).toEqual(['public.a', 'sales.b'])
})

test('no view makes an empty picture', () => {
  expect(draw([])).toEqual({ width: 0, height: 0, boxes: [], arrows: [] })
})
