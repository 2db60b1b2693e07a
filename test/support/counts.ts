/**
 * How often races and soaks repeat what they try: a few times in `npm test`, many times in `npm run test:soak`, which also
 * runs each night. All counts stand here.
 */
const both = {
  /** Swaps raced against each kind of change in another session. */
  racedSwaps: [6, 40],
  /** Indexes built concurrently beside each kind of refresh. */
  indexesBesideRefreshes: [1, 4],
  /** Swaps of one view under readers of every kind. */
  swapsUnderReaders: [8, 60],
  /** Swaps whose server process is terminated at any moment. */
  terminatedSwaps: [8, 50],
  /** Exchanges of a group under readers. */
  exchangesUnderReaders: [8, 60],
  /** Moments at which the refresh of a group is killed. */
  killedExchanges: [10, 60],
  /** Swaps under readers through a function, a policy and a view. */
  swapsUnderCarriedReaders: [6, 25],
  /** Swaps under every reader of Viewkeeper's own. */
  swapsUnderOwnReaders: [6, 30],
  /** Changes of a table under readers of the views above it. */
  changesUnderReaders: [1, 12],
  /** Dumps by pg_dump beside each way to exchange views. */
  dumpsBesideExchanges: [6, 60],
  /** Kills of the process that advances a batch. */
  killedAdvancers: [12, 60],
  /** Batches under readers, three kills of the advancer in each. */
  batchesUnderReaders: [3, 12],
  /** Envelopes of one run sent at once, and callers that cancel it at once. */
  storms: [4, 20],
  /** Moments at which a caller's connection breaks. */
  brokenConnections: [8, 25],
  /** Rounds of generated queries, to whose views everything is done. */
  generatedViews: [1, 60],
  /** Random queries, each refreshed by slices eight times and compared with the whole query. */
  slicedQueries: [30, 3000],
  /** Random queries, whose live views are read at each level of isolation beside writers. */
  liveQueries: [2, 60],
  /** Refreshes of an incremental table, on which everything hangs that may hang on a table. */
  keptRefreshes: [5, 1000],
  /** Changes of anything that an incremental table stands on, with three refreshes after each. */
  changedKept: [45, 1700],
  /** Incremental tables under random unique indexes, each refreshed a few times. */
  keyedTables: [12, 1000],
  /** Milliseconds between two tries to forge a plan: without a pause a forger takes a whole core. */
  forgersPauseMs: [1, 0],
  /** Cases of a property, if its test says nothing else. */
  properties: [50, 1000],
  /** Texts with constants, definitions that are frozen, graphs that are planned, expressions of cron. */
  textsWithConstants: [100, 2000],
  frozenDefinitions: [100, 2000],
  plannedGraphs: [500, 5000],
  cronExpressions: [100, 1000],
  /** Each way to fill a view meets one in so many of the raised SQLSTATEs; all ways together meet each. */
  oneSqlstateIn: [4, 1],
  /** Rounds of ten calls on a login with four connections. */
  narrowRounds: [4, 15],
  /** Changes under views whose refreshes are left out, one after the other, in random order. */
  adversarysSteps: [70, 2500],
  /** Kills of processes that advance one batch at once, at random moments. */
  killedDrivers: [20, 500],
  /** Restarts of the server at random moments. */
  restarts: [4, 50],
  /** Odd requests to each server, byte for byte. */
  oddRequests: [300, 10_000],
  /** Times that each operation is done while a neighbour exchanges what is hers. */
  neighbours: [1, 40],
  /** Names that fast-check makes up for a whole life of a view. */
  madeUpNames: [3, 12],
} as const satisfies Record<string, readonly [test: number, soak: number]>

export const soaks = process.env.SOAK === 'true'

export const counts = Object.fromEntries(
  Object.entries(both).map(([what, [test, soak]]) => [what, soaks ? soak : test]),
) as Record<keyof typeof both, number>
