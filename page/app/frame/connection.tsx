import { connection } from '../api/connection.ts'
import { unreachable } from '../api/problem.ts'
import { lookNow } from '../live/use-live.ts'
import { utc } from '../parts/when.tsx'
import { useStore } from '../store/use-store.ts'

/** Says that what is on the screen is old, because nobody answers. */
export function Connection() {
  const { answers, answeredAt } = useStore(connection)
  return (
    <div role="alert">
      {!answers && (
        <div class="strip strip-bad">
          <p>
            <strong>No answer.</strong> {unreachable().message}{' '}
            {answeredAt && <>What you see is of {utc(new Date(answeredAt).toISOString())}.</>}
          </p>
          <button type="button" onClick={lookNow}>
            Try again now
          </button>
        </div>
      )}
    </div>
  )
}
