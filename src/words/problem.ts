/**
 * All codes of failures. A code decides the HTTP status, the short title, and by its status 503 that a retry may help.
 * The codes are also the `class` of a failed run's `error`.
 */
export const codes = {
  InvalidRequest: { status: 400, title: 'The request is not valid' },
  InvalidName: { status: 400, title: 'SQL cannot read the name' },
  Unauthenticated: { status: 401, title: 'A valid token is needed' },
  NotAllowed: { status: 403, title: 'The token does not allow this' },
  TooManyRefusals: { status: 429, title: 'Too many bad tokens came from this address' },
  UnknownRoute: { status: 404, title: 'No such route' },
  UnknownView: { status: 404, title: 'No such materialized view' },
  UnknownRun: { status: 404, title: 'No such run' },
  UnknownBatch: { status: 404, title: 'No such batch' },
  AlreadyRunning: { status: 409, title: 'Another run of this view is running' },
  RunEnded: { status: 409, title: 'The run has already ended' },
  BatchAlreadyOpen: { status: 409, title: 'A batch of the same views has not ended yet' },
  BatchEnded: { status: 409, title: 'The batch has already ended' },
  DependencyCycle: { status: 409, title: 'Views depend on each other in a circle' },
  Paused: { status: 409, title: 'Refreshing is paused' },
  SwapImpossible: { status: 409, title: 'The view cannot be swapped' },
  DependentsExist: { status: 409, title: 'Other objects depend on the view' },
  DefinitionRequired: { status: 404, title: 'The view has no authored definition' },
  UniqueIndexRequired: { status: 409, title: 'The view has no usable unique index' },
  IdempotencyKeyReused: { status: 422, title: 'The idempotency key was used for another request' },
  ViewSqlFailed: { status: 422, title: "The view's own SQL failed" },
  EventTriggerFailed: { status: 422, title: 'An event trigger of the database refused it, or failed' },
  TableRefused: {
    status: 422,
    title: 'A trigger or a constraint of an incremental table refused its new rows',
  },
  CheckFailed: { status: 422, title: 'A check holds the new data back' },
  InsufficientPrivilege: { status: 422, title: 'A privilege is missing' },
  StatementTimeout: { status: 422, title: 'The run took longer than its time-out' },
  Canceled: { status: 422, title: 'The run or batch was canceled' },
  UpstreamFailed: { status: 422, title: 'A view that this one reads was not refreshed' },
  NotExchanged: { status: 422, title: 'The shadow was built but not exchanged' },
  ViewsFailed: { status: 422, title: 'Some views of the batch were not refreshed' },
  LockTimeout: { status: 503, title: 'A lock was not granted in time' },
  CatalogChanged: { status: 503, title: 'The view was altered during the run' },
  Deadlock: { status: 503, title: 'The server ended a deadlock' },
  DiskFull: { status: 503, title: "The server's disk is full" },
  TooManyConnections: { status: 503, title: 'No connection to the database is free' },
  InsufficientResources: { status: 503, title: 'The server is short of resources' },
  RunLost: { status: 503, title: 'The server lost the run' },
  BatchLost: { status: 503, title: 'Nobody advanced the batch' },
  BatchNotStarted: { status: 503, title: 'The batch could not be advanced' },
  FunctionUnavailable: { status: 503, title: 'A function of Viewkeeper cannot be called now' },
  DatabaseUnavailable: { status: 503, title: 'The database cannot be reached' },
  DatabaseReadOnly: { status: 503, title: 'The database only reads' },
  CredentialsRefused: { status: 503, title: 'The database refused the credentials' },
  SuperuserRefused: { status: 503, title: 'The login is a superuser' },
  NotDirect: { status: 503, title: 'The connection does not reach the server directly' },
  NotMigrated: { status: 503, title: 'The database has no schema viewkeeper yet, or an old one' },
  MigrationRunning: { status: 503, title: 'A migration is still going on in the server' },
  MigrationFailed: { status: 500, title: 'A migration failed' },
  InternalError: { status: 500, title: 'Something went wrong inside Viewkeeper' },
} as const satisfies Record<string, { status: number; title: string }>

/** A stable word for one kind of failure: `code` over HTTP, `class` in `viewkeeper.runs.error`. */
export type ProblemCode = keyof typeof codes

// Marked as pure, so that the bundle of the page, which does not use it, leaves out the table `codes`.
export const problemCodes = /* @__PURE__ */ Object.keys(codes) as ProblemCode[]

/** The HTTP status that a code answers with. */
export const statusOf = (code: ProblemCode): number => codes[code].status

/** The title of a code, a constant. Another version may have answered with a code that this one does not know, or without one. */
export const titleOf = (code: ProblemCode): string => codes[code]?.title ?? 'The reason is not known here'

/** Whether the same request may succeed when it is sent again. */
export const mayRetry = (code: ProblemCode): boolean => statusOf(code) === 503

/** Whether the request itself is the reason of the failure, so that a retry does not help: a status below 500. */
export const isRefusal = (code: ProblemCode): boolean => statusOf(code) < 500

/** Adds the `type` that RFC 9457 wants to the body of a problem. Any code will do: a server on loopback has codes of its own. */
export const bodyOfProblem = <Told extends { title: string; status: number; detail: string; code: string }>(
  told: Told,
) => ({ type: `urn:viewkeeper:problem:${told.code}`, ...told })

/**
 * Joins texts into one, and ends each with a full stop unless it ends in punctuation. Leaves out missing texts. An empty line
 * follows a text whose last line is indented: a line to type.
 */
export const sentences = (...texts: (string | false | null | undefined)[]): string =>
  texts
    .flatMap((text) => (text ? [/[.!?;]$/.test(text) ? text : `${text}.`] : []))
    .reduce(
      (before, text) => `${before}${before === '' ? '' : /\n {2}.*$/.test(before) ? '\n\n' : ' '}${text}`,
      '',
    )

export interface ProblemDetails {
  /** The request field at fault, as the caller wrote it. */
  field?: string
  /** The run that records this failure, if there is one. */
  runId?: number
  /** The run that is in the way (AlreadyRunning). */
  runningRunId?: number
  /** The batch that the problem is about. */
  batchId?: string
  /** The batch that is in the way (BatchAlreadyOpen). */
  openBatchId?: string | undefined
  sqlstate?: string
  /** What to type next: a command line of `viewkeeper`, or SQL. */
  next?: string | undefined
  /** The facts behind the message. `hint`: what to do. A record keeps both apart from the message. */
  detail?: string | undefined
  hint?: string | undefined
  /** The text of the error. Default: message, detail and hint, each on a line. */
  whole?: string
  cause?: unknown
}

/** The details that log lines and answers show. */
type ToldDetails = Problem['details']

/** A problem as an answer of the API tells it. */
export interface ProblemBody extends ToldDetails {
  type: string
  title: string
  status: number
  detail: string
  code: ProblemCode
}

/**
 * An expected failure, worded for the person who reads it: what happened, to what, and what to do next.
 * Anything thrown that is not a Problem is a defect and is answered as InternalError.
 */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly details: Omit<ProblemDetails, 'cause' | 'detail' | 'hint' | 'whole'>
  /** The parts of `Error.message`, apart. */
  readonly parts: { message: string; detail?: string; hint?: string }

  constructor(
    code: ProblemCode,
    message: string,
    { cause, detail, hint, whole, ...details }: ProblemDetails = {},
  ) {
    super(whole ?? [message, detail, hint].filter(Boolean).join('\n'), { cause })
    this.name = code
    this.code = code
    this.details = details
    this.parts = { message, ...(detail && { detail }), ...(hint && { hint }) }
  }
}

/** Codes that share a heading of the runbook, in the order of the heading. */
const shared = [
  ['DatabaseUnavailable', 'CredentialsRefused', 'SuperuserRefused', 'NotDirect'],
  [
    'IdempotencyKeyReused',
    'RunEnded',
    'BatchEnded',
    'InvalidRequest',
    'InvalidName',
    'UnknownView',
    'UnknownRun',
    'UnknownBatch',
    'UnknownRoute',
  ],
  ['Unauthenticated', 'NotAllowed', 'TooManyRefusals'],
  ['NotMigrated', 'MigrationRunning', 'MigrationFailed', 'InternalError'],
  ['AlreadyRunning', 'BatchAlreadyOpen'],
  ['Paused', 'DependencyCycle', 'InsufficientPrivilege', 'NotExchanged'],
  ['Deadlock', 'DiskFull', 'InsufficientResources', 'TooManyConnections'],
  ['BatchNotStarted', 'BatchLost', 'ViewsFailed', 'FunctionUnavailable'],
]

/** The path of a page or section of the docs, such as `views.md#check-in-ci`, in a folder that has installed Viewkeeper. */
export const docsOf = (place: string): string => `node_modules/viewkeeper/docs/${place}`

/**
 * The link to the section of the runbook about an alarm or an error class, with the anchor that GitHub gives its heading.
 * `runbookUrl`: where the runbook is on the web. Default: in the installed package.
 */
export function runbookOf(section: string, runbookUrl: string = docsOf('runbook.md')): string {
  const heading = (shared.find((each) => each.includes(section)) ?? [section]).join(', ')
  return `${runbookUrl}#${heading.toLowerCase().replaceAll(',', '').replaceAll(' ', '-')}`
}
