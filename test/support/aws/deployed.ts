import { afterEach, beforeEach, vi } from 'vitest'
import { muteConsole } from '../console.ts'

/** The tests of a file run as deployed functions do, in a region; the log lines are kept from the console. */
export function useDeployed(): void {
  beforeEach(() => {
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    muteConsole()
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })
}
