import { interrupted as interruptedCode } from '../output/exit-codes.ts'

/**
 * Does some work until it is done or somebody presses Ctrl-C; then `leave` is called, and says what goes on, and the
 * process ends.
 */
export async function unlessInterrupted<T>(work: Promise<T>, leave: () => void): Promise<T> {
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>()
  // Not `once`: the library that hides the cursor kills the process at a signal to which nobody else listens.
  process.on('SIGINT', interrupt)
  try {
    return await Promise.race([
      work,
      interrupted.then(() => {
        leave()
        // A request may still be under way; nobody waits for its answer.
        return process.exit(interruptedCode)
      }),
    ])
  } finally {
    process.off('SIGINT', interrupt)
  }
}
