import { duration, elapsed } from '../../../src/plan/words.ts'
import { usedOf } from '../words/used.ts'

/** The age of a view's data against its limit: in words, and as a bar that is full at the limit. */
export function Age({ of }: { of: { staleMs: number | null; maxStaleMs: number | null; stale: boolean } }) {
  if (of.staleMs === null) return <span class="none">never refreshed</span>
  const used = usedOf(of)
  const tone = of.stale ? 'warn' : used !== null && used > 0.8 ? 'near' : 'good'
  return (
    <span class="age">
      <span class={of.stale ? 'tone-warn' : ''}>
        {of.staleMs < 60_000 ? elapsed(of.staleMs) : duration(of.staleMs)}
      </span>
      <span class="limit">{of.maxStaleMs === null ? 'no limit' : `of ${duration(of.maxStaleMs)}`}</span>
      {used !== null && (
        <span class="bar" aria-hidden="true">
          <span class={`fill tone-${tone}`} style={{ width: `${Math.min(100, used * 100)}%` }} />
        </span>
      )}
    </span>
  )
}
