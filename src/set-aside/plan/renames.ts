import { displayName, displayPart, type QualifiedName } from '../../sql/names.ts'
import type { Below } from './items.ts'

/** A relation below an item, as it is called now. */
export interface CalledNow extends QualifiedName {
  columns: { number: number; name: string }[]
}

/**
 * What was renamed since the names `below` were read, in words. A column is the same one under any name. So is a relation,
 * unless another relation has its former name: then that one has taken its place. `isTaken` says so. Pure.
 */
export const renamedSince = (
  below: Below[],
  now: Map<number, CalledNow>,
  isTaken: (name: QualifiedName) => boolean,
): string[] =>
  below.flatMap((was) => {
    const is = now.get(was.oid)
    if (is === undefined) return []
    const isRenamed = displayName(is) !== displayName(was)
    if (isRenamed && isTaken(was)) return []
    const columns = new Map(is.columns.map(({ number, name }) => [number, name]))
    return [
      ...(isRenamed ? [`${displayName(was)}, which is called ${displayName(is)} now`] : []),
      ...was.columns.flatMap(({ number, name }) => {
        const called = columns.get(number) ?? name
        return called === name
          ? []
          : [`column ${displayPart(name)} of ${displayName(was)}, which is called ${displayPart(called)} now`]
      }),
    ]
  })
