import type { ComponentChildren } from 'preact'
import type { Live } from '../live/use-live.ts'
import { Trouble } from './trouble.tsx'

/**
 * What the API answered, drawn by `children`. Before the first answer a word, and with it a problem if there is
 * one; data that were there before a problem stay.
 */
export function Loading<T>({ live, children }: { live: Live<T>; children: (data: T) => ComponentChildren }) {
  const { data, problem } = live
  return (
    <>
      {problem && problem.code !== 'Unreachable' && <Trouble problem={problem} />}
      {data !== undefined ? children(data) : !problem && <p class="loading">Loading …</p>}
    </>
  )
}
