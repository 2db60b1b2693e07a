import { buildFunctions } from '../../../build/functions.ts'

/** Bundles the functions once for all tests: every stack needs the bundles. */
export default async (): Promise<void> => {
  await buildFunctions()
}
