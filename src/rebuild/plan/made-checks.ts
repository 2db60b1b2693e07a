import { duration, rows, whole } from '../../sql/words.ts'
import type { Counts } from './compare.ts'

/** A check that a run has made of the new data, as its record has it. */
export interface MadeCheck {
  name: string
  /** The check only warns. */
  severity?: 'warn' | undefined
  /** How many rows it found. */
  rows: number
  ms: number
  /** What a check that compares new data with old has counted. */
  differs?: Counts | undefined
}

/** The last run among these, newest first, whose checks are known. */
export const lastChecked = <Run extends { checks?: MadeCheck[] | null }>(runs: Run[]): Run | undefined =>
  runs.find(({ checks }) => checks)

/** What the checks of a run found and how long each took, by their names; a check that took longer than the rest of the run is said. */
export function toldChecks({
  checks,
  durationMs,
}: {
  checks?: MadeCheck[] | null
  durationMs: number | null
}): [name: string, text: string][] {
  const made = checks ?? []
  const restMs = (durationMs ?? Number.POSITIVE_INFINITY) - made.reduce((sum, { ms }) => sum + ms, 0)
  return made.map(({ name, rows: found, ms, differs }) => [
    name,
    `${differs ? `${toldCounts(differs)}${found === 0 ? '' : ', warned'}` : found === 0 ? 'nothing' : `${rows(found)}, warned`}, ${duration(ms)}${ms > restMs ? ': longer than the refresh itself' : ''}`,
  ])
}

/** `of 100 rows 1 gone, 3 changed, 2 added` */
const toldCounts = ({ share, before, added, gone, changed }: Counts): string =>
  `of ${rows(before)} ${share < 1 ? 'in a sample ' : ''}${whole(gone)} gone, ${whole(changed)} changed, ${whole(added)} added`
