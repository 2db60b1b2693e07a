import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deployScenario } from './scenario.ts'
import { interrupted, stopAll } from './support/cleanup.ts'
import { Unable } from './support/transcript.ts'

const cache = fileURLToPath(new URL('../../.viewkeeper/test-deploy', import.meta.url))
// Kept after the test, for its logs; the next one starts afresh.
const folder = join(cache, 'run')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const start = performance.now()
const inAll = () => `${((performance.now() - start) / 1000).toFixed(0)} s in all`
console.log('viewkeeper · deploy test, on an emulator of AWS and a real PostgreSQL\n')
try {
  await deployScenario({ cache, folder })
  console.log(`\n  passed, ${inAll()}`)
} catch (error) {
  if (error instanceof Unable) console.error(`\n  ${error.message}`)
  else if (!interrupted) console.error(`\n  failed, ${inAll()}; logs: ${folder}\n`, error)
  process.exitCode = 1
} finally {
  await stopAll()
}
