import { Problem } from '../../src/problem.ts'

/** The Problem that work ends with, to look at; any other end of it fails the test. */
export async function refusalOf(work: Promise<unknown>): Promise<Problem> {
  const error = await work.then(
    () => new Error('nothing was refused'),
    (thrown) => thrown,
  )
  if (error instanceof Problem) return error
  throw error
}
