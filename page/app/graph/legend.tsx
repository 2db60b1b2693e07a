import type { Sign } from '../../../src/resources/sign.ts'
import { Badge } from '../parts/mark.tsx'

/** What the colours and marks of a picture mean, and how many views have each. */
export function Legend({ signs }: { signs: Sign[] }) {
  const counts = Map.groupBy(signs, ({ word }) => word)
  return (
    <p class="sum">
      {[...counts.values()].map((same) => (
        <Badge key={same[0]!.word} sign={same[0]!} word={`${same.length} ${same[0]!.word}`} />
      ))}
    </p>
  )
}
