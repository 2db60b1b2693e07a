import { ago, ahead } from '../../../src/sql/words.ts'
import { now } from '../api/connection.ts'

/** A moment in UTC, to the second: `2026-11-20 09:00:00 UTC`. */
export const utc = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`

interface Options {
  at: string | null | undefined
  /** What is said if there is no such moment. */
  none?: string
}

/** A moment that has passed, `3 min ago`, as of the last answer; the exact time is in its tooltip. */
export const When = (options: Options) => <Told {...options} say={(at) => ago(now() - at)} />

/** A moment that is to come: `in 7 h`; `now` once it has passed. */
export const Due = (options: Options) => <Told {...options} say={(at) => ahead(at - now())} />

const Told = ({ at, none = '–', say }: Options & { say: (at: number) => string }) =>
  at ? (
    <time dateTime={at} title={utc(at)}>
      {say(Date.parse(at))}
    </time>
  ) : (
    <span class="none">{none}</span>
  )

/** A moment in full. */
export const Moment = ({ at }: { at: string }) => <time dateTime={at}>{utc(at)}</time>
