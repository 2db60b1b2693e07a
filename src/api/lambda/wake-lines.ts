/** What the filter of the logs seeks: docs/events.md. */
export const eventsMessage = 'events wait'

/** The whole line, as it stands in the log. */
export const eventsLine = `{"message":"${eventsMessage}"}\n`

/** What the filter of the monitor's log seeks: docs/freshness.md. */
export const dueMessage = 'refreshes are due'

/** The whole line, as it stands in the log. */
export const dueLine = `{"message":"${dueMessage}"}\n`

/**
 * Says that refreshes have to begin for the sake of target lags: CloudWatch Logs calls `start-batch` for this line, for the same
 * reason.
 */
export const wakeStartBatch = (): void => {
  process.stdout.write(dueLine)
}

/**
 * Says that events may wait for the bus: CloudWatch Logs calls `announce` for this line, because the network of the database
 * has no way to EventBridge or to another function. The line is written whatever the log level is.
 */
export const wakeAnnounce = (): void => {
  process.stdout.write(eventsLine)
}
