import type { HeldLock } from '../../../src/edge/http/schemas/answers.ts'
import { hashOf } from '../address/address.ts'
import { Command } from '../parts/command.tsx'
import { When } from '../parts/when.tsx'

interface Options {
  locks: HeldLock[]
  /** What the causes above say to type: it is not said again. */
  told: (string | null)[]
}

/** The sessions that are in the way now, and the SQL that ends each. */
export const Locks = ({ locks, told }: Options) => (
  <>
    <h3>In the way now</h3>
    <ul class="locks">
      {locks.map((lock) => (
        <li key={`${lock.pid} ${lock.mode} ${lock.relation}`}>
          <p>
            <strong>{lock.application || 'a session'}</strong> of {lock.role ?? 'another role'}
            {lock.pid !== null && ` (process ${lock.pid})`} holds <code>{lock.mode}</code> on{' '}
            <code>{lock.relation}</code>
            {lock.since && (
              <>
                , in a transaction that began <When at={lock.since} />
              </>
            )}
            {lock.state && `, ${lock.state}`}.{' '}
            {lock.runId && <a href={hashOf('run', lock.runId)}>run {lock.runId}</a>}
          </p>
          {lock.statement && <pre>{lock.statement}</pre>}
          {lock.end && !told.includes(lock.end) && <Command line={lock.end} />}
        </li>
      ))}
    </ul>
  </>
)
