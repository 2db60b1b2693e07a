import { parentsFirst as inOrder } from '../../sql/walks.ts'
import type { LiveView, ViewSnapshot } from './live-view.ts'

/** What the catalog's columns say of a view that reads one of some relations: nobody's lock keeps us from reading that. */
export interface OutlinedReader {
  oid: number
  live: { view: Pick<LiveView['view'], 'kind' | 'schema' | 'name'> }
  /** Always true for a plain view. */
  populated: boolean
  /** The size on disk with indexes and TOAST, by the last `vacuum` or `analyze`; 0 for a plain view. */
  sizeBytes: number
  /** The OIDs of the relations that the query itself reads, as far as they are asked for or are readers, too. */
  reads: number[]
}

/** A view, plain or materialized, that reads one of some relations, directly or through other views. */
export interface Reader extends OutlinedReader, Pick<ViewSnapshot, 'hash' | 'hashWithoutGrants'> {
  live: LiveView
}

/** Sorts readers: each comes after those that it reads. A circle is broken somewhere. */
export const parentsFirst = <R extends OutlinedReader>(
  readers: R[],
  readsOf: (reader: R) => number[] = ({ reads }) => reads,
): R[] => inOrder(readers, ({ oid }) => oid, readsOf)
