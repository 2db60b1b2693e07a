import { betweenQuery } from '../../plan/groups/between.ts'
import { everything, type Group, groupOf } from '../../plan/groups/group.ts'
import { type GroupRights, withoutMembers } from '../../plan/groups/refusals.ts'
import type { SwapRights } from '../../plan/views/live-view.ts'
import type { Sql } from '../server/connect.ts'
import { readRights } from './live-view.ts'
import { readReaders } from './readers.ts'

/** Reads views with everything that reads them, as one group. See `readReaders` for `locked` and `gone`. */
export async function readGroup(sql: Sql, oids: number[]): Promise<Group | 'locked' | 'gone'> {
  const readers = await readReaders(sql, oids)
  return typeof readers === 'string' ? readers : groupOf(readers)
}

/** What we may do with the members of a group. */
export async function readGroupRights(sql: Sql, group: Group): Promise<GroupRights> {
  const members = new Map<number, SwapRights>()
  for (const { oid, live } of group.members)
    members.set(oid, await readRights(sql, withoutMembers(group, live)))
  const [database] = await sql<[GroupRights['database']]>`
    select quote_ident(datname) as name, datdba::regrole::text as owner, has_database_privilege(oid, 'create') as "mayCreate"
      from pg_catalog.pg_database where datname = current_database()`
  const [row] = await sql.unsafe<[{ between: string }]>(
    `select (${betweenQuery(everything(group).map(({ oid }) => oid))}) as between`,
  )
  return { members, database, ...row }
}
