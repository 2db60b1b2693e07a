import type { Run } from '../../../src/edge/http/schemas/answers.ts'

/** The rows of a view before and after a run: `4,231 → 4,309`, or one number if they are equal. Empty if unknown. */
export function rowsOf({
  rowCountBefore,
  rowCountAfter,
}: Pick<Run, 'rowCountBefore' | 'rowCountAfter'>): string {
  const [before, after] = [rowCountBefore, rowCountAfter].map((rows) => rows?.toLocaleString('en'))
  if (before === undefined || before === after) return after ?? before ?? ''
  return after === undefined ? before : `${before} → ${after}`
}
