import { Problem } from '../../../src/words/problem.ts'

/** Returns the Problem that `work` fails with. Any other end of `work` fails the test. */
export async function refusalOf(work: Promise<unknown>): Promise<Problem> {
  const error = await work.then(
    () => new Error('nothing was refused'),
    (thrown) => thrown,
  )
  if (error instanceof Problem) return error
  throw error
}
