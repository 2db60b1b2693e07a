import type { OnReplicas } from '../sql/replicas.ts'

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
