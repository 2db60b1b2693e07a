import { Problem } from '../problem.ts'

/** Waits for the work until the deadline (epoch milliseconds). DatabaseUnavailable, with the message, if that is too late. */
export async function withDeadline<T>(work: Promise<T>, deadline: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Problem('DatabaseUnavailable', `${message}.`)), deadline - Date.now())
  })
  work.catch(() => {}) // after the deadline, nobody handles this rejection
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
