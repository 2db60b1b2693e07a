import { count, duration } from '../words/phrases.ts'
import { docsOf } from '../words/problem.ts'

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

/** What to say of standbys; null if the server has none, as far as is seen. */
export function standbysLine({ standbys, hidden }: Standbys): string | null {
  if (standbys.length + hidden === 0) return null
  const each = standbys.map(
    ({ name, lagMs }) => `${name}, ${lagMs === null ? 'an unknown time' : duration(lagMs)} behind`,
  )
  const seen =
    standbys.length > 0
      ? `This server has ${count(standbys.length, 'standby', 'standbys')} (${each.join('; ')}).`
      : `${count(hidden, 'session')} may be ${hidden === 1 ? 'that of a standby' : 'those of standbys'}: this login lacks pg_read_all_stats, and so does not see what they are.`
  return (
    `${seen} If programs read a view there, each swap and each regular refresh makes them wait until the longest query there that ` +
    `reads the view has ended. Give such a view strategy: 'concurrent': ${docsOf('replicas.md')}.`
  )
}
