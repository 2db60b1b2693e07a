import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { interrupted, stopAll } from '../deploy/support/cleanup.ts'
import { Unable } from '../deploy/support/transcript.ts'
import { packageScenario } from './scenario.ts'

const cache = fileURLToPath(new URL('../../.viewkeeper/test-deploy', import.meta.url))
// Kept after the test, for its transcripts; the next one starts afresh.
const folder = fileURLToPath(new URL('../../.viewkeeper/test-package', import.meta.url))
// Outside this repository: npm looks for a package.json in the folders above, too.
const teams = mkdtempSync(join(tmpdir(), 'viewkeeper-teams-'))
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const start = performance.now()
console.log('viewkeeper · package test, with the tarball that npm publish would send\n')
try {
  await packageScenario({ cache, folder, teams })
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
