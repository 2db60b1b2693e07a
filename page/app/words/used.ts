/** How much of its limit an age has used: 1 is the limit. Null if one of the two is not known. */
export const usedOf = ({
  staleMs,
  maxStaleMs,
}: {
  staleMs: number | null
  maxStaleMs: number | null
}): number | null => (staleMs === null || !maxStaleMs ? null : staleMs / maxStaleMs)
