import { setTimeout as pause } from 'node:timers/promises'
import { betweenQuery } from '../../plan/groups/between.ts'
import { everything, type Group, groupOf } from '../../plan/groups/group.ts'
import { type GroupRights, withoutMembers } from '../../plan/groups/refusals.ts'
import { displayName } from '../../plan/names.ts'
import type { SwapRights } from '../../plan/views/live-view.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { Problem } from '../../problem.ts'
import type { Sql } from '../server/connect.ts'
import { lookAgain } from '../server/look-again.ts'
import { readRights } from './live-view.ts'
import { alreadyRunning, type Patience, pauseMs } from './look.ts'
import { readReaderNames, readReaders } from './readers.ts'
import { findRunningRun } from './running-run.ts'

/**
 * Looks at a view with everything that reads it. If somebody holds an exclusive lock on a reader, looks again as patiently
 * as asked; then throws AlreadyRunning, which names a running run of a reader, or LockTimeout.
 */
export async function lookAtGroup(sql: Sql, view: ViewFacts, { until = 0 }: Patience): Promise<Group> {
  for (;;) {
    const group = await lookAgain(() => readGroup(sql, [view.oid]))
    if (group !== 'locked') return group
    for (const reader of await readReaderNames(sql, [view.oid])) {
      const running = await findRunningRun(sql, reader)
      if (running !== undefined) throw alreadyRunning(displayName(reader), running)
    }
    if (Date.now() >= until) {
      throw new Problem(
        'LockTimeout',
        `A view that reads ${view.view} is locked. Try again, or refresh ${view.view} with strategy "concurrent".`,
      )
    }
    await pause(pauseMs)
  }
}

/** Reads views with everything that reads them, as one group. See `readReaders` for `locked` and `gone`. */
export async function readGroup(sql: Sql, oids: number[]): Promise<Group | 'locked' | 'gone'> {
  const readers = await readReaders(sql, oids)
  return typeof readers === 'string' ? readers : groupOf(readers)
}

/** What `role`, or by default the login, may do with the members of a group. */
export async function readGroupRights(
  sql: Sql,
  group: Group,
  role: string | null = null,
): Promise<GroupRights> {
  const members = new Map<number, SwapRights>()
  for (const { oid, live } of group.members)
    members.set(oid, await readRights(sql, withoutMembers(group, live), role))
  const us = role === null ? sql`current_user` : sql`${role}::name`
  const [{ role: written, ...database }] = await sql<[GroupRights['database'] & { role: string }]>`
    select quote_ident(${us}) as role, quote_ident(datname) as name, datdba::regrole::text as owner, has_database_privilege(${us}, oid, 'create') as "mayCreate"
      from pg_catalog.pg_database where datname = current_database()`
  const [row] = await sql.unsafe<[{ between: string }]>(
    `select (${betweenQuery(everything(group).map(({ oid }) => oid))}) as between`,
  )
  return { role: written, members, database, ...row }
}
