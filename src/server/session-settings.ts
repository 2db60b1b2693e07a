import type { OnReplicas } from '../sql/replicas.ts'
import { rolePathSetting, safePath } from '../sql/settings.ts'
import type { Sql } from './database.ts'

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

/** The session's settings that say what the environment says about replicas. */
const readSetting = 'viewkeeper.read_on_replicas'
const withoutKeySetting = 'viewkeeper.without_key'

/** The settings for a session, from its first moment. */
export const replicaSettings = ({ readOnReplicas, withoutKey }: OnReplicas): Record<string, string> => ({
  ...(readOnReplicas === undefined ? {} : { [readSetting]: String(readOnReplicas) }),
  ...(withoutKey === undefined ? {} : { [withoutKeySetting]: withoutKey }),
})

const said = (setting: string): string => `nullif(current_setting('${setting}', true), '')`

/** Whether the environment says that programs read its views on replicas, as SQL; null: nobody has said so. */
export const readOnReplicas = `${said(readSetting)}::boolean`

/**
 * For definition `d`, as SQL: null if nobody says that programs read the view on replicas; else what `auto` does if the view
 * has no key.
 */
export const onReplicas = `case when coalesce(d.read_on_replicas, ${readOnReplicas}, false)
                then coalesce(${said(withoutKeySetting)}, 'swap') end`

/** The session's setting that names the environment's default owner of views. */
export const defaultOwnerSetting = 'viewkeeper.view_owner'

/** The session's setting for the environment's `regularUpToMs`. Default: 0. */
export const regularUpToSetting = 'viewkeeper.regular_up_to_ms'

/** The search path that is set for our login. SQL written by others relies on it. */
export async function readRolePath(sql: Sql): Promise<string> {
  const [row] = await sql<{ path: string }[]>`select current_setting(${rolePathSetting}) as path`
  return row?.path as string
}

/** Lets the next statements, which others wrote, find names along the search path of our login. */
export const takeRolePath = (sql: Sql, { local }: { local: boolean }): Promise<unknown> =>
  sql`select set_config('search_path', current_setting(${rolePathSetting}), ${local})`

/** Ends `takeRolePath`. The statement has nothing that is looked up on a path. */
export const takeSafePath = (sql: Sql, { local }: { local: boolean }): Promise<unknown> =>
  sql.unsafe(`set ${local ? 'local ' : ''}search_path to ${safePath}`)
