/** What the filter of the logs seeks: docs/events.md. */
export const bellMessage = 'events wait'

/** The whole line, as it stands in the log. */
export const bellLine = `{"message":"${bellMessage}"}\n`

/** What the filter of the monitor's log seeks: docs/freshness.md. */
export const dueMessage = 'refreshes are due'

/** The whole line, as it stands in the log. */
export const dueLine = `{"message":"${dueMessage}"}\n`

/**
 * Says that refreshes have to begin for the sake of target lags: CloudWatch Logs calls `start-batch` for this line, for the same
 * reason.
 */
export const ringDue = (): void => {
  process.stdout.write(dueLine)
}

/**
 * Says that events may wait for the bus: CloudWatch Logs calls `announce` for this line, because the network of the database
 * has no way to EventBridge or to another function. The line is written whatever the log level is.
 */
export const ring = (): void => {
  process.stdout.write(bellLine)
}
