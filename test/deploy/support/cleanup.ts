const started: { name: string; stop: () => Promise<void> }[] = []
let stopping: Promise<void> | undefined

/** Whether a signal ends this test. What fails from then on fails because of the signal. */
export let interrupted = false

/**
 * Remembers what was started, to be ended in the reverse order, also when the test fails or is interrupted.
 */
export function mustStop<T extends { stop(): Promise<void> }>(name: string, thing: T): T {
  started.push({ name, stop: () => thing.stop() })
  return thing
}

/** Ends everything that was started. A second call waits for the first one. */
export function stopAll(): Promise<void> {
  stopping ??= stopEach()
  return stopping
}

async function stopEach(): Promise<void> {
  for (let last = started.pop(); last; last = started.pop()) {
    const { name, stop } = last
    await stop().catch((error) => console.error(`  ${name} could not be stopped: ${error}`))
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    interrupted = true
    console.error(`\n  ${signal}: stopping`)
    stopAll().finally(() => process.exit(1))
  })
