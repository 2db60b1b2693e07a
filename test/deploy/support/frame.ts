import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { interrupted, stopAll } from './cleanup.ts'
import { Unable } from './transcript.ts'

/** Where a test that is a program of its own works. */
export interface Folders {
  /** Keeps the transcripts after the test; the next one starts afresh. */
  folder: string
  /** Outside this repository: npm looks for a package.json in the folders above, too. */
  teams: string
}

/** Runs a test that is a program of its own, says how it ended, and stops all that it started. */
export async function framed(name: string, title: string, work: (folders: Folders) => Promise<void>) {
  const folder = fileURLToPath(new URL(`../../../.viewkeeper/test-${name}`, import.meta.url))
  const teams = mkdtempSync(join(tmpdir(), `viewkeeper-${name}-`))
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const start = performance.now()
  console.log(`viewkeeper · ${title}\n`)
  try {
    await work({ folder, teams })
    console.log(
      `\n  passed, ${((performance.now() - start) / 1000).toFixed(0)} s in all; transcripts: ${join(folder, '*.txt')}`,
    )
  } catch (error) {
    if (error instanceof Unable) console.error(`\n  ${error.message}`)
    else if (!interrupted) console.error(`\n  failed; transcripts and logs: ${folder}\n`, error)
    process.exitCode = 1
  } finally {
    await stopAll()
    rmSync(teams, { recursive: true, force: true })
  }
}
