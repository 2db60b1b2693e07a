import { eventFunction } from '../src/api/lambda/function.ts'

/** One step of a rotation, for Secrets Manager: gives the role that Viewkeeper works with a new password. */
export const handler = eventFunction(async (event) => {
  const { rotateSecret } = await import('../src/api/lambda/rotate.ts')
  return rotateSecret(event)
})
