/**
 * Lifts the limit that a role may have for whole transactions, since 17: ours fill views. Older servers refuse it as a start-up
 * setting, so it is lifted at the start of a connection, and after each `reset all`.
 */
export const liftTransactionLimit =
  "select set_config('transaction_timeout', '0', false) where current_setting('transaction_timeout', true) <> '0'"
