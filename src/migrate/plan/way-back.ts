import type { Definition } from '../../catalog/plan/definition.ts'
import { definitionOf } from '../../catalog/plan/describe.ts'
import { liveDifferences, ownerDifferences, sameGrant } from '../../catalog/plan/differences.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'

/**
 * How a live view differs from its frozen definition, which may name an owner, in words. Indexes, grants and a comment that
 * somebody added by hand are no difference, because every migration keeps them. Pure.
 */
export function driftOf(live: LiveView, shadow: LiveView, owner: string | null): string[] {
  const named = new Set(shadow.indexes.map(({ name }) => name))
  const withAdditions: LiveView = {
    ...shadow,
    view: { ...shadow.view, comment: shadow.view.comment ?? live.view.comment },
    indexes: [...shadow.indexes, ...live.indexes.filter(({ name }) => !named.has(name))],
    grants: [...shadow.grants, ...live.grants.filter((grant) => !shadow.grants.some(sameGrant(grant)))],
  }
  return [...ownerDifferences(live, owner), ...liveDifferences(live, withAdditions)].map(
    ({ message }) => message,
  )
}

/** The definition that makes a live view again as it is now; what is no part of the view comes from `frozen`. Pure. */
export function definitionAsLive(frozen: Definition, live: LiveView): Definition {
  const { sql, indexes, comment, grants } = definitionOf(live, frozen.owner).definition
  return { ...frozen, sql, indexes, comment, grants }
}
