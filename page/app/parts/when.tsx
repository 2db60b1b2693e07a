import { ago, ahead } from '../../../src/plan/words.ts'

/** A moment in UTC, to the second: `2026-11-20 09:00:00 UTC`. */
export const utc = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`

/** A moment from now: `3 min ago`, `in 7 h`; the exact time is in its tooltip. Nothing if there is none. */
export function When({ at, none = '–' }: { at: string | null | undefined; none?: string }) {
  if (!at) return <span class="none">{none}</span>
  const sinceMs = Date.now() - Date.parse(at)
  return (
    <time dateTime={at} title={utc(at)}>
      {sinceMs < 0 ? ahead(-sinceMs) : ago(sinceMs)}
    </time>
  )
}

/** A moment in full. */
export const Moment = ({ at }: { at: string }) => <time dateTime={at}>{utc(at)}</time>
