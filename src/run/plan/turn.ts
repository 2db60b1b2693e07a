import type { RunStatus } from '../../words/run.ts'

/** The latest run of a view in its batch. */
export interface LatestRun {
  runId: number
  status: RunStatus
  attempt: number
  /** The class of the run's error; null if it has none. */
  class: string | null
  /** The SQLSTATE of the run's error; null if it has none. */
  sqlstate: string | null
  /** Whether the run's `not_before` has passed or is not set. */
  due: boolean
  /** Whether the view's shadow was whole when the run ended: only its exchange failed. */
  built?: boolean
  /** Whether the run was skipped because it would have changed nothing. */
  unneeded?: boolean
  /** Whether the run of another view does the work of this one, too. */
  follows?: boolean
  /** Whether the run has waited for a lock for a second: then its slot is free for another. */
  waits?: boolean
}

/** Views of a batch whose new data appear at one moment. */
export interface TogetherGroup {
  number: number
  /** The ids of the views. */
  members: number[]
  /** They are refreshed where they are, by one run in one transaction. Otherwise each has a run that fills its shadow. */
  inPlace?: boolean
}

/** The group of each view that has one, by the ids of the views. */
export const groupsByMember = (groups: TogetherGroup[]): Map<number, TogetherGroup> =>
  new Map(groups.flatMap((group) => group.members.map((id) => [id, group] as const)))

/** Whether a view is waited for no more. A paused view is done: the views that read it are refreshed from the data it has. */
export const isDone = (last: Pick<LatestRun, 'status' | 'class'> | undefined): boolean =>
  last?.status === 'success' || (last?.status === 'skipped' && last.class === null)

/**
 * The views of a batch that a view still waits for, by their ids: those that it reads, until they are done, or their shadows are
 * built for its group, or they are refreshed with it; after its own shadow is built, the views of its group whose shadows are not. None if only a slot is missing,
 * if the view's run is running, or if the view has ended. The claim in `claim.sql` asks the same. Pure.
 */
export function waitsFor(
  { id, parents }: { id: number; parents: number[] },
  latest: Map<number, Pick<LatestRun, 'status' | 'class'>>,
  groupOf: Map<number, TogetherGroup>,
): number[] {
  const status = latest.get(id)?.status ?? 'pending'
  const { members = [], inPlace = false } = groupOf.get(id) ?? {}
  const isBuilt = (view: number) => latest.get(view)?.status === 'built'
  if (status === 'built') return members.filter((member) => !isBuilt(member))
  if (status !== 'pending') return []
  return parents.filter(
    (parent) => !isDone(latest.get(parent)) && !((inPlace || isBuilt(parent)) && members.includes(parent)),
  )
}
