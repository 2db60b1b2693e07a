import { Badge } from '../parts/mark.tsx'
import type { Standing } from '../words/standing.ts'

/** What the colours and marks of a picture mean, and how many views have each. */
export function Legend({ standings }: { standings: Standing[] }) {
  const counts = Map.groupBy(standings, ({ word }) => word)
  return (
    <p class="sum">
      {[...counts.values()].map((same) => (
        <Badge key={same[0]!.word} standing={same[0]!} word={`${same.length} ${same[0]!.word}`} />
      ))}
    </p>
  )
}
