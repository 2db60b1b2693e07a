import { soaks } from '../../support/counts.ts'
import { type FaultName, faultOf } from './faults.ts'
import type { Cell } from './struck.ts'
import { wayNames, wayOf } from './ways.ts'

/**
 * The cells of these faults: each way, each phase. A short run has each fault once in each way, what takes long in every third
 * one, and goes through the phases from way to way.
 */
export function cellsOf(...names: FaultName[]): Cell[] {
  return names.flatMap((fault, row) =>
    wayNames.flatMap((way, column): Cell[] => {
      const { throughout, strikes, takesLong } = faultOf(fault)
      if (takesLong && !soaks && column % 3 !== 2) return []
      const { phases } = wayOf(way)
      const possible = phases.filter((phase) => strikes?.(way, phase) ?? true)
      if (throughout) return possible.length > 0 ? [{ fault, way, phase: 'throughout' }] : []
      const chosen = soaks ? possible : possible.slice((row + column) % possible.length).slice(0, 1)
      return chosen.map((phase) => ({ fault, way, phase }))
    }),
  )
}
