import { ageText } from '../../../src/plan/diagnosis/state.ts'
import { duration } from '../../../src/plan/words.ts'
import { usedOf } from '../words/used.ts'

/** The age of a view's data against its limit: in words, and as a bar that is full at the limit. */
export function Age({
  of,
}: {
  of: { staleMs: number | null; asOf: string | null; maxStaleMs: number | null; stale: boolean }
}) {
  if (of.staleMs === null) return <span class="none">{ageText(of)}</span>
  const used = usedOf(of)
  const tone = of.stale ? 'warn' : used !== null && used > 0.8 ? 'near' : 'good'
  return (
    <span class="age">
      <span class={of.stale ? 'tone-warn' : ''}>{ageText(of)}</span>
      <span class="limit">{of.maxStaleMs === null ? 'no limit' : `of ${duration(of.maxStaleMs)}`}</span>
      {used !== null && (
        <span class="bar" aria-hidden="true">
          <span class={`fill tone-${tone}`} style={{ width: `${Math.min(100, used * 100)}%` }} />
        </span>
      )}
    </span>
  )
}
