import { rotateSecret } from '../src/edge/handlers/rotate.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** One step of a rotation, for Secrets Manager: gives the role that Viewkeeper works with a new password. */
export const handler = eventFunction((event) => rotateSecret(event))
