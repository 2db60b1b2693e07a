import type { PolicyName } from '../../src/edge/http/routes.ts'

/** Lets requests in by their tokens. */
export interface Doorkeeper {
  /** The name of the token in these `Authorization` headers. Throws a Problem if none of them allows what is needed. */
  authorize(
    headers: readonly string[] | undefined,
    needed: PolicyName,
    address: string,
  ): Promise<{ name: string }>
}
