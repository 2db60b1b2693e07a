import type { ConnectionSource } from '../../server/connect.ts'
import { placeOf } from './place.ts'

/**
 * Connection options with a token of IAM database authentication as the password. Each connection has a token
 * of its own. The function signs the token with the credentials of its role, without a call to AWS. The server
 * must be named by the host name that RDS gave it, because RDS compares this name with the signed one.
 */
export const fromToken =
  (user: string, env: NodeJS.ProcessEnv): ConnectionSource =>
  async () => {
    const place = await placeOf(env)
    // Only a function that logs in with a token loads what signs it.
    const { signToken } = await import('./sign-token.ts')
    return { ...place, user, password: await signToken({ ...place, user }, env) }
  }
