import { rmSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { results } from './results.ts'

const forget = () => rmSync(results, { force: true })

/** Forgets the outcomes of the last run; at the end also those of this one, if a cell has failed. */
export default function begin({ vitest }: TestProject): () => void {
  forget()
  return () => {
    if (vitest.state.getCountOfFailedTests() > 0) forget()
  }
}
