import { fileURLToPath } from 'node:url'

/** Where each cell notes what has become of it, one line each. */
export const results = fileURLToPath(new URL('../../../.viewkeeper/faults.jsonl', import.meta.url))

export interface Outcome {
  fault: string
  way: string
  phase: string
  /** What the caller was told. */
  told: string
  /** How the runs ended, before the way was gone once more. */
  runs: string[]
  /** Whether somebody had to go on with a batch, or to type put-back again. */
  settled: boolean
}

/** What has become of rounds in which something goes wrong at random moments. */
export interface Rounds {
  /** What it was. */
  rounds: string
  seed: number
  /** How often it has struck while somebody was at work. */
  strikes: number
  /** How many runs ended so. */
  ends: Record<string, number>
}
