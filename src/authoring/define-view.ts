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
  readonly column: number
}

/** Defines a view. Nothing is checked here: the loader reports all problems of all views together. */
export function defineView(input: ViewInput): AuthoredView {
  const caller = callerOf(defineView)
  return {
    [brand]: true,
    input,
    file: caller?.getFileName() ?? '',
    line: caller?.getLineNumber() ?? 1,
    column: caller?.getColumnNumber() ?? 1,
  }
}

/** Where a function was called. Node 20 lacks `util.getCallSites`, so the place is taken from V8. */
function callerOf(called: (input: ViewInput) => unknown): NodeJS.CallSite | undefined {
  const { prepareStackTrace } = Error
  try {
    Error.prepareStackTrace = (_, sites) => sites
    const trace: { stack?: NodeJS.CallSite[] } = {}
    Error.captureStackTrace(trace, called)
    return trace.stack?.[0]
  } finally {
    Error.prepareStackTrace = prepareStackTrace
  }
}

/** Whether a value came from `defineView`. */
export const isAuthoredView = (value: unknown): value is AuthoredView =>
  typeof value === 'object' && value !== null && brand in value
