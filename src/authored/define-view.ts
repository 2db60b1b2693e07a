import { getCallSites } from 'node:util'
import type { ViewInput } from './view-input.ts'

// A registered symbol, so that every copy of this module knows the views of the others.
const brand: unique symbol = Symbol.for('viewkeeper.view')

/** The unchecked argument of `defineView`, and the place of the call. */
export interface AuthoredView {
  readonly [brand]: true
  readonly input: ViewInput
  /** A path or a `file:` URL. */
  readonly file: string
  readonly line: number
}

/** Defines a view. Nothing is checked here: the loader reports all problems of all views together. */
export function defineView(input: ViewInput): AuthoredView {
  const [, caller] = getCallSites(2)
  return { [brand]: true, input, file: caller?.scriptName ?? '', line: caller?.lineNumber ?? 1 }
}

/** Whether a value came from `defineView`. */
export const isAuthoredView = (value: unknown): value is AuthoredView =>
  typeof value === 'object' && value !== null && brand in value
