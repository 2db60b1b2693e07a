import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where evidence of failed tests is kept until the next test run. */
export const evidenceFolder = fileURLToPath(new URL('../../../.viewkeeper/evidence/', import.meta.url))
const list = join(evidenceFolder, 'list.jsonl')

/** What helps to understand why a test of a file failed: a picture, a database that was kept. */
interface Evidence {
  /** The test file, whole path. */
  file: string
  text: string
}

/** Keeps evidence, to be printed at the end of the test run. */
export function keepEvidence(evidence: Evidence): void {
  mkdirSync(evidenceFolder, { recursive: true })
  appendFileSync(list, `${JSON.stringify(evidence)}\n`)
}

export function readEvidence(): Evidence[] {
  if (!existsSync(list)) return []
  return readFileSync(list, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

export const forgetEvidence = (): void => rmSync(evidenceFolder, { recursive: true, force: true })
