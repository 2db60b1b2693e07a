import { vi } from 'vitest'

/** Keeps the log of the code under test out of the output of the tests, until all mocks are restored. */
export function muteConsole(): void {
  for (const stream of ['log', 'info', 'warn', 'error'] as const) vi.spyOn(console, stream).mockReturnValue()
}

/** Lends the process to a test that calls the command line in it; what this returns gives it back. */
export function lendProcess(home: string): () => void {
  muteConsole()
  return () => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
    process.chdir(home)
    process.exitCode = undefined
  }
}
