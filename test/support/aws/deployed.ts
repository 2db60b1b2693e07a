import { afterEach, beforeEach, vi } from 'vitest'

/** The tests of a file run as deployed functions do, in a region; the log lines are kept from the console. */
export function useDeployed(): void {
  beforeEach(() => {
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    for (const stream of ['log', 'info', 'error'] as const) vi.spyOn(console, stream).mockReturnValue()
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })
}
