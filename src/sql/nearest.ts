import { displayName, type QualifiedName, type ViewName } from './names.ts'

/** The known word that is nearest to an unknown one; undefined if none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((each) => ({ each, distance: distance(word.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  return best !== undefined && best.distance <= Math.max(1, word.length / 3) ? best.each : undefined
}

/** How many letters to add, remove, change, or swap with the next one; 0 if one word is the beginning of the other. */
function distance(a: string, b: string): number {
  if (Math.min(a.length, b.length) > 2 && (a.startsWith(b) || b.startsWith(a))) return 0
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [at, letter] of [...a].entries()) {
    const next = [at + 1]
    for (const [to, other] of [...b].entries()) {
      const isSwap = to > 0 && letter === b[to - 1] && other === a[at - 1]
      next.push(
        Math.min(
          row[to + 1]! + 1,
          next[to]! + 1,
          row[to]! + (letter === other ? 0 : 1),
          isSwap ? before[to - 1]! + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    before = row
    row = next
  }
  return row.at(-1)!
}

const mostNamed = 3

/**
 * A question to put after the refusal of an unknown view, beginning with a space: whether one of `known` was
 * meant. The same name in other schemas comes first, then the most similar name. Empty if there is none.
 */
export function didYouMean({ schema, name }: ViewName, known: QualifiedName[]): string {
  const named = (wanted: string | undefined) => known.filter((each) => each.name === wanted)
  const sameName = named(name)
  const similar = sameName.length > 0 ? sameName : named(nearest(name, namesOf(known)))
  // Of several, a view of the same schema is the likeliest.
  const meant = similar
    .toSorted((a, b) => Number(b.schema === schema) - Number(a.schema === schema))
    .slice(0, mostNamed)
    .map(displayName)
  return meant.length === 0 ? '' : ` Did you mean ${meant.join(' or ')}?`
}

const namesOf = (views: QualifiedName[]): string[] => views.map(({ name }) => name)
