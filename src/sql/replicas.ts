import { docsOf } from '../problem.ts'
import { count, duration } from './words.ts'

/** What `auto` does with a view that is read on replicas and has no usable unique index: it swaps the view, or fails. */
export type WithoutKey = 'swap' | 'fail'

/** What an environment says about replicas. */
export interface OnReplicas {
  /** Whether programs read its views there; undefined: nobody has said so. */
  readOnReplicas?: boolean | undefined
  withoutKey?: WithoutKey | undefined
}

/** What a strategy other than `concurrent` means for replicas, after "the view is read on replicas". */
export const locksReplicas =
  'there, new readers of the view and all replay wait until the longest query that reads the view has ended'

/** What happens to a view that programs read on replicas and that has no key, after the name of the view. */
export const lacksKey = (withoutKey: WithoutKey): string =>
  `is read on replicas and has no usable unique index, so auto ${withoutKey === 'fail' ? 'fails' : `swaps it: ${locksReplicas}`}`

/** A server that replays what this one writes, and on which programs may read. */
export interface Standby {
  /** What the server calls itself: its `cluster_name`, or on Aurora the name of the instance. */
  name: string
  /** How far its data lag behind, milliseconds; null: the server does not know. */
  lagMs: number | null
}

/** The standbys of a server. */
export interface Standbys {
  standbys: Standby[]
  /** Sessions that receive what the server writes, and of which this login may not see what they are. */
  hidden: number
}

/** A copy of this database that RDS feeds by logical replication: the green server of a blue/green deployment. */
export interface Copy {
  /** The slot from which it is fed. */
  slot: string
  /** On Aurora every refresh breaks the replication; elsewhere, whatever is DDL. */
  isAurora: boolean
}

/** Why a view is not swapped beside such a copy. */
export const besideCopy = ({ slot }: Copy): string =>
  `RDS feeds the green server of a blue/green deployment from here (slot ${slot}), and an exchange is DDL, which degrades that`

/** What to do about such a copy. */
export const copyLine = (copy: Copy): string =>
  copy.isAurora
    ? `RDS feeds the green server of a blue/green deployment from here (slot ${copy.slot}), and on Aurora every refresh of a ` +
      `materialized view breaks that: npx viewkeeper pause --all, until the switchover (${docsOf('upgrading.md#a-bluegreen-deployment')}).`
    : `${besideCopy(copy)}: auto swaps nothing meanwhile. The views of green get no rows: refresh all after the switchover ` +
      `(${docsOf('upgrading.md#a-bluegreen-deployment')}).`

/** What an environment says about replicas, and what its server shows of them. */
export interface Replicas extends Standbys {
  /** Whether programs read the views there; null: nobody has said so. */
  readOnReplicas: boolean | null
}

/** How far the standbys lag behind, in one line; null if the server has none, as far as is seen. */
export function lagLine({ standbys }: Standbys): string | null {
  if (standbys.length === 0) return null
  const each = standbys.map(
    ({ name, lagMs }) => `${name} by ${lagMs === null ? 'an unknown time' : duration(lagMs)}`,
  )
  return `on replicas the data are older: ${each.join(', ')}`
}

/** What to say of standbys about which nobody has said anything; null if there is nothing to say. */
export function unsaid({ readOnReplicas, standbys, hidden }: Replicas): string | null {
  if (readOnReplicas !== null || standbys.length + hidden === 0) return null
  const seen =
    standbys.length > 0
      ? `This server has ${count(standbys.length, 'standby', 'standbys')} (${standbys.map(({ name }) => name).join(', ')}).`
      : `${count(hidden, 'session')} may be ${hidden === 1 ? 'that of a standby' : 'those of standbys'}: this login lacks pg_read_all_stats, and so does not see what they are.`
  return (
    `${seen} If programs read views there, each swap makes them wait until the longest query there that reads the view has ` +
    `ended. Say so: readOnReplicas: true, and views are refreshed concurrently; or false, and this is not said again: ${docsOf('replicas.md')}.`
  )
}
