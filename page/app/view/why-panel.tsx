import { Fragment } from 'preact'
import type { Cause, HeldLock, Why } from '../../../src/api/answers.ts'
import { withFlags } from '../../../src/sql/commands.ts'
import { printed } from '../../../src/sql/names.ts'
import { causeTones } from '../../../src/watch/diagnosis/cause.ts'
import { hashOf } from '../address/address.ts'
import { target } from '../api/target.ts'
import { useGet } from '../live/use-live.ts'
import { Command } from '../parts/command.tsx'
import { Loading } from '../parts/loading.tsx'
import { ViewLink } from '../parts/name.tsx'
import { When } from '../parts/when.tsx'
import { useStore } from '../store/use-store.ts'
import { withMentions } from '../words/mentions.ts'

/** Why the view's data are as old as they are: the cause first, who is in the way, and what to type. */
export function WhyPanel({ path, running }: { path: string; running: boolean }) {
  const live = useGet<Why>(`${path}/why`, running)
  return (
    <Loading live={live}>
      {({ causes, locks, view, holdsBack = [] }) => (
        <section class={`why ${causes.some(isBad) ? 'why-bad' : ''}`} aria-labelledby="why">
          <h2 id="why">Why</h2>
          <ol class="causes">
            {causes.map((cause) => (
              <OneCause key={`${cause.code} ${cause.view} ${cause.runId}`} cause={cause} of={view} />
            ))}
          </ol>
          {holdsBack.length > 0 && (
            <p>
              Holds back:{' '}
              {holdsBack.map((each, at) => (
                <Fragment key={each}>
                  {at > 0 && ', '}
                  <ViewLink view={each} />
                </Fragment>
              ))}
            </p>
          )}
          {locks.length > 0 && <Locks locks={locks} told={causes.map(({ next }) => next)} />}
        </section>
      )}
    </Loading>
  )
}

function OneCause({ cause, of }: { cause: Cause; of: string }) {
  const flags = useStore(target)?.flags
  return (
    <li class={isBad(cause) ? 'bad' : undefined}>
      <p>
        <b class="code">{cause.code}</b>{' '}
        {withMentions(cause.text, addressesOf(cause, of)).map(({ text, href }) =>
          href ? (
            <a key={href} href={href}>
              {printed(text)}
            </a>
          ) : (
            printed(text)
          ),
        )}
      </p>
      {cause.next && <Command line={flags ? withFlags(cause.next, flags) : cause.next} />}
    </li>
  )
}

/** What a cause is about, besides the view itself. */
const addressesOf = ({ view, runId, batchId }: Cause, of: string): Record<string, string> => ({
  ...(view && view !== of && { [view]: hashOf('view', view) }),
  ...(runId && { [`run ${runId}`]: hashOf('run', runId) }),
  ...(batchId && { [`batch ${batchId}`]: hashOf('batch', batchId) }),
})

/** Whether somebody has to look at a cause. */
const isBad = ({ code }: Pick<Cause, 'code'>): boolean => ['bad', 'warn'].includes(causeTones[code])

interface InTheWay {
  locks: HeldLock[]
  /** What the causes above say to type: it is not said again. */
  told: (string | null)[]
}

/** The sessions that are in the way now, and the SQL that ends each. */
const Locks = ({ locks, told }: InTheWay) => (
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
