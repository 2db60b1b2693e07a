import { styleText } from 'node:util'

/** What the person in front of the terminal has to change; shown as one line, without a stack trace. */
export class Unable extends Error {}

/** Does one stage of the test, and prints its title, how long it took and a detail of the result. */
export async function stage<T>(
  title: string,
  work: () => Promise<T>,
  detail?: (result: T) => string,
): Promise<T> {
  const start = performance.now()
  const print = (mark: string, words = '') => {
    const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`
    console.log(`  ${mark} ${title.padEnd(62)} ${seconds.padStart(7)}  ${styleText('dim', words)}`)
  }
  try {
    const result = await work()
    print(styleText('green', '✓'), detail?.(result))
    return result
  } catch (error) {
    print(styleText('red', '✗'))
    throw error
  }
}

/** Longer than anything takes on a slow machine that does other things besides. */
const mostMs = 300_000

/** Looks until there is an answer. */
export async function poll<T>(
  question: string,
  look: () => Promise<T | undefined>,
  withinMs = mostMs,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const answer = await look()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`${question}: not within ${withinMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
