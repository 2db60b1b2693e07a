import { fileURLToPath } from 'node:url'
import { framed } from '../deploy/support/frame.ts'
import { packageScenario } from './scenario.ts'

const cache = fileURLToPath(new URL('../../.viewkeeper/test-deploy', import.meta.url))
await framed('package', 'package test, of the tarball', (folders) =>
  packageScenario({ cache, ...folders }, process.argv.slice(2)),
)
