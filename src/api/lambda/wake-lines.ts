// The network of the database has no way to SNS, EventBridge or another function. So functions in it log a line, for which
// CloudWatch Logs calls `send`, outside. A line is written whatever the log level is.

/** What the filter of the logs seeks: docs/events.md. */
export const newsMessage = 'news waits'
/** What the filter of the monitor's log seeks besides: docs/freshness.md. */
export const dueMessage = 'refreshes are due'

/** The whole line, as it stands in the log. */
export const lineOf = (message: string): string => `{"message":"${message}"}\n`

/** Says that something may wait to be sent. */
export const sayNews = (): void => {
  process.stdout.write(lineOf(newsMessage))
}

/** Says that refreshes have to begin for the sake of target lags. */
export const sayDue = (): void => {
  process.stdout.write(lineOf(dueMessage))
}
