import { styleText } from 'node:util'

/** What the person in front of the terminal has to change; shown as one line, without a stack trace. */
export class Unable extends Error {}

/** Does one step and prints what it did and how long it took, with a detail of the result where there is one. */
export async function step<T>(
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

/** Asks until the answer is there, or fails after a deadline with what the last answer was. */
export async function poll<T>(
  seconds: number,
  question: string,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`${question}: not within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
