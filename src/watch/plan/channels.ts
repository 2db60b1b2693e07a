/** A channel of `viewkeeper serve` that has refused the message that waits longest for it. */
export interface FailingChannel {
  /** `mail ops@example.com`, `webhook cache`, `chat team` */
  channel: string
  since: Date
  /** Why the last try failed, without addresses and secrets. */
  error: string
}

/** That a channel fails, in the words of mails, of the page and of `ls`. */
export const failingText = (
  { channel, error }: Pick<FailingChannel, 'channel' | 'error'>,
  since: string,
): string => `${channel.replace(/^mail /, 'mail to ')} has been failing since ${since}: ${error}`
