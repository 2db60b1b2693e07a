import { eventFunction } from '../src/edge/lambda/function.ts'

/** One step of a rotation, for Secrets Manager: gives the role that Viewkeeper works with a new password. */
export const handler = eventFunction(async (event) => {
  const { rotateSecret } = await import('../src/edge/handlers/rotate.ts')
  return rotateSecret(event)
})
