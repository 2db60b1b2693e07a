import { setTimeout as pause } from 'node:timers/promises'
import { type DefinitionDefaults, ensureDefinition } from '../catalog/db/definitions.ts'
import { lockedProblem } from '../catalog/db/locked.ts'
import { pauseMs } from '../catalog/db/look.ts'
import { insistOnNoPause } from '../catalog/db/pause.ts'
import { readReaders } from '../catalog/db/readers.ts'
import { readObstacles } from '../catalog/db/rights.ts'
import type { LiveView, ViewSnapshot } from '../catalog/plan/live-view.ts'
import type { Reader } from '../catalog/plan/readers.ts'
import { sayObstacles } from '../catalog/plan/rights.ts'
import type { ViewFacts } from '../catalog/plan/view-facts.ts'
import { Problem } from '../problem.ts'
import { checkingOf } from '../rebuild/plan/check-data.ts'
import { planRebuild } from '../rebuild/plan/plan.ts'
import {
  namedRequirement,
  requirementsOf,
  swapRequirements,
  withoutMembers,
} from '../rebuild/plan/requirements.ts'
import type { RunOptions } from '../rebuild/plan/run-options.ts'
import { materialized, type Scope, together } from '../rebuild/plan/scope.ts'
import { type Redefined, unfit } from '../rebuild/plan/trial.ts'
import type { Sql } from '../server/connect.ts'
import { lookAgain } from '../server/transactions.ts'
import { type QualifiedName, quoteName } from '../sql/names.ts'
import type { Plan } from '../sql/plan.ts'
import { tryTogether } from './db/group-trial.ts'
import { planRedefinition } from './plan/redefine.ts'

/** A live view that gets another definition, with its next owner and our rights on it then. */
export interface LiveChange extends Redefined {
  view: ViewFacts
  snapshot: ViewSnapshot
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
  await insistOnRebuild(sql, together(readers), changes)
  const byOid = new Map(changes.map((change) => [change.view.oid, change]))
  const { members, shadows, misfits } = await tryTogether(sql, readers, byOid)
  if (misfits.length > 0)
    throw unfit(
      changes.map(({ after }) => after),
      misfits,
    )
  const isDone = changes.every(
    ({ view, snapshot, before, after }) =>
      planRedefinition(
        { view, snapshot, before, after, shadow: shadows.get(view.oid) as LiveView },
        { ...options, withData: false },
      ) === null,
  )
  if (isDone) return null
  const group = together(members)
  await insistOnRebuild(sql, group, changes)
  if (!options.isTrial) await insistOnNoPause(sql, viewsWithData(group), 'a new query')
  const [{ view: lead }] = changes as [LiveChange]
  const definitions = options.isTrial
    ? new Map<string, DefinitionDefaults>()
    : await readDefinitions(sql, group)
  const changed = new Map(changes.map(({ after }) => [quoteName(after), after]))
  return planRebuild(group, lead, {
    ...options,
    withData: !options.isTrial,
    of: ({ live }) => {
      const name = quoteName(live.view)
      return {
        definitionId: definitions.get(name)?.id ?? 0,
        checking: checkingOf(changed.get(name) ?? definitions.get(name)),
      }
    },
  })
}

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
    if (Date.now() >= deadline) throw await lockedProblem(sql, oids)
    await pause(pauseMs)
  }
}

async function insistOnRebuild(sql: Sql, group: Scope, changes: LiveChange[]): Promise<void> {
  const refusals = await readObstacles(sql, [
    ...requirementsOf(group),
    ...changes
      .filter(({ snapshot, given }) => given !== snapshot.live)
      .flatMap(({ view, given }) =>
        swapRequirements(withoutMembers(group, given)).map((requirement) =>
          namedRequirement(view.view, requirement),
        ),
      ),
  ])
  if (refusals.length === 0) return
  throw new Problem(
    'SwapImpossible',
    `${namesOf(changes)} cannot be given another query together with the views that read ${changes.length === 1 ? 'it' : 'them'}: ${sayObstacles(
      refusals,
      'Remove what is in the way by own SQL in an earlier migration, and make it again in a later one.',
    )}`,
  )
}

const viewsWithData = (group: Scope): QualifiedName[] =>
  materialized(group).flatMap(({ live, populated }) => (populated ? [live.view] : []))

const namesOf = (changes: LiveChange[]): string => changes.map(({ view }) => view.view).join(', ')

/** The definitions of all members, for their runs. */
async function readDefinitions(sql: Sql, group: Scope): Promise<Map<string, DefinitionDefaults>> {
  const definitions = new Map<string, DefinitionDefaults>()
  for (const { live } of materialized(group))
    definitions.set(quoteName(live.view), await ensureDefinition(sql, live.view))
  return definitions
}
