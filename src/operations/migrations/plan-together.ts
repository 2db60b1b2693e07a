import { setTimeout as pause } from 'node:timers/promises'
import { tryTogether } from '../../db/migrations/group-trial.ts'
import type { Sql } from '../../db/server/connect.ts'
import { lookAgain } from '../../db/server/look-again.ts'
import { ensureDefinition } from '../../db/views/definitions.ts'
import { readGroupRights } from '../../db/views/group.ts'
import { readReaders } from '../../db/views/readers.ts'
import { readReasons } from '../../db/views/rights.ts'
import { type Group, groupOf, materialized } from '../../plan/groups/group.ts'
import { planGroupRefresh } from '../../plan/groups/refresh.ts'
import { groupRefusals, withoutMembers } from '../../plan/groups/refusals.ts'
import { type Redefined, unfit } from '../../plan/groups/trial.ts'
import { planRedefinition } from '../../plan/migrations/redefine.ts'
import { quoteName } from '../../plan/names.ts'
import type { Plan } from '../../plan/plan.ts'
import type { RunOptions } from '../../plan/runs/refresh.ts'
import { swapRefusals } from '../../plan/runs/swap-refusals.ts'
import type { LiveView, SwapRights, ViewSnapshot } from '../../plan/views/live-view.ts'
import type { Reader } from '../../plan/views/readers.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { Problem } from '../../problem.ts'

/** A live view that gets another definition, with its next owner and our rights on it then. */
export interface LiveChange extends Redefined {
  view: ViewFacts
  snapshot: ViewSnapshot
  rights: SwapRights
}

interface TogetherOptions extends RunOptions {
  /** Until when to wait for somebody else's lock on a view, epoch milliseconds. */
  deadline: number
  /** A trial fills no view, and records no run. */
  isTrial: boolean
}

/**
 * Plans the change of views together with everything that reads them: all are built aside and exchanged at one moment. Null
 * if nothing is to be changed. Refuses (SwapImpossible), by name, what stands in the way and readers that no longer fit.
 * Throws StatementRefused if the server refuses a definition.
 */
export async function planWithReaders(
  sql: Sql,
  changes: LiveChange[],
  options: TogetherOptions,
): Promise<Plan | null> {
  const found = await readAllReaders(sql, changes, options.deadline)
  // A trial has left views without data that will have data.
  const readers = options.isTrial ? found.map((reader) => ({ ...reader, populated: false })) : found
  await insistOnRebuild(sql, groupOf(readers), changes)
  const byOid = new Map(changes.map((change) => [change.view.oid, change]))
  const { members, twins, misfits } = await tryTogether(sql, readers, byOid)
  if (misfits.length > 0)
    throw unfit(
      changes.map(({ after }) => after),
      misfits,
    )
  const isDone = changes.every(
    ({ view, snapshot, before, after }) =>
      planRedefinition(
        { view, snapshot, before, after, twin: twins.get(view.oid) as LiveView },
        { ...options, withData: false },
      ) === null,
  )
  if (isDone) return null
  const group = groupOf(members)
  await insistOnRebuild(sql, group, changes)
  const [{ view: lead }] = changes as [LiveChange]
  const ids = options.isTrial ? new Map<string, number>() : await readDefinitionIds(sql, group)
  return planGroupRefresh(
    group,
    lead,
    { ...options, withData: !options.isTrial },
    (view) => ids.get(quoteName(view)) ?? 0,
  )
}

const pauseMs = 250

/** The views and everything that reads them, as they were when the changes were planned. */
async function readAllReaders(sql: Sql, changes: LiveChange[], deadline: number): Promise<Reader[]> {
  const oids = changes.map(({ view }) => view.oid)
  for (;;) {
    const readers = await lookAgain(() => readReaders(sql, oids))
    if (readers !== 'locked') {
      const hashes = new Map(readers.map(({ oid, hash }) => [oid, hash]))
      const changed = changes.find(({ view, snapshot }) => hashes.get(view.oid) !== snapshot.hash)
      if (changed === undefined) return readers
      throw new Problem(
        'CatalogChanged',
        `${changed.view.view} was altered while its change was planned. Try again.`,
      )
    }
    if (Date.now() >= deadline) {
      throw new Problem(
        'LockTimeout',
        `Somebody holds an exclusive lock on a view that reads ${changes.map(({ view }) => view.view).join(' or ')}. Try again.`,
      )
    }
    await pause(pauseMs)
  }
}

async function insistOnRebuild(sql: Sql, group: Group, changes: LiveChange[]): Promise<void> {
  const refusals = [
    ...groupRefusals(group, await readGroupRights(sql, group)),
    ...changes.flatMap(({ view, snapshot, given, rights }) =>
      given === snapshot.live
        ? []
        : swapRefusals(withoutMembers(group, given), rights).map(({ because, right }) => ({
            because: `${view.view}: ${because}`,
            right,
          })),
    ),
  ]
  if (refusals.length === 0) return
  throw new Problem(
    'SwapImpossible',
    `${namesOf(changes)} cannot be given another query together with the views that read ${changes.length === 1 ? 'it' : 'them'}: ` +
      `${(await readReasons(sql, refusals)).join('; ')}. Remove what is in the way by own SQL in an earlier migration, and make it again in a later one.`,
  )
}

const namesOf = (changes: LiveChange[]): string => changes.map(({ view }) => view.view).join(', ')

/** The ids of the definitions of all members, for their runs. */
async function readDefinitionIds(sql: Sql, group: Group): Promise<Map<string, number>> {
  const ids = new Map<string, number>()
  for (const { live } of materialized(group))
    ids.set(quoteName(live.view), (await ensureDefinition(sql, live.view)).id)
  return ids
}
