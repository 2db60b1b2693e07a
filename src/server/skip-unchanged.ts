/** What an environment says about refreshes that cannot change anything. */
export interface SkipUnchanged {
  /** Whether they are left out, also if only counters prove it; a definition may say otherwise. */
  skipUnchanged?: boolean | undefined
  /** The hours after which a view is refreshed in any case. */
  skipAtMostHours?: number | undefined
}

/** The session's setting that says what the environment says; step `counted` of the schema has the same word. */
const setting = 'viewkeeper.skip_unchanged'
const hoursSetting = 'viewkeeper.skip_at_most_hours'

/** The settings for a session, from its first moment. */
export const skipSettings = ({ skipUnchanged, skipAtMostHours }: SkipUnchanged): Record<string, string> => ({
  ...(skipUnchanged === undefined ? {} : { [setting]: String(skipUnchanged) }),
  ...(skipAtMostHours === undefined ? {} : { [hoursSetting]: String(skipAtMostHours) }),
})

/** Whether refreshes of definition `d` are left out if counters have not moved, as SQL. */
export const skipsUnchanged = `coalesce(d.skip_unchanged, nullif(current_setting('${setting}', true), '')::boolean, false)`
