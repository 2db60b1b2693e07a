import type { Drawing } from './layout.ts'

/**
 * The view that an arrow key leads to: left to a view that is read, right to a view that reads, up and down to
 * the next one of the same column. Undefined if there is none, or for any other key.
 */
export function walk(
  { boxes, arrows }: Pick<Drawing, 'boxes' | 'arrows'>,
  from: string,
  key: string,
): string | undefined {
  const here = boxes.find(({ view }) => view === from)
  if (!here) return undefined
  const nearest = (views: string[]) =>
    boxes
      .filter(({ view }) => views.includes(view))
      .sort((a, b) => Math.abs(a.y - here.y) - Math.abs(b.y - here.y))[0]?.view
  if (key === 'ArrowLeft') return nearest(arrows.filter(({ to }) => to === from).map((arrow) => arrow.from))
  if (key === 'ArrowRight') return nearest(arrows.filter((arrow) => arrow.from === from).map(({ to }) => to))
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return undefined
  const down = key === 'ArrowDown'
  return boxes
    .filter(
      ({ x, width, y }) => x < here.x + here.width && x + width > here.x && (down ? y > here.y : y < here.y),
    )
    .sort((a, b) => (down ? a.y - b.y : b.y - a.y))[0]?.view
}
