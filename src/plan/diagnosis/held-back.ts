type Moment = Date | string

/** Differences below this are those between runs of one batch. */
export const worthTellingMs = 60_000

/**
 * The view that keeps the data of another one older than its last success, or of unknown age; null if none does, or by less
 * than a minute. Pure.
 */
export function heldBack({
  asOf,
  heldBackBy,
  lastSuccessAt,
}: {
  asOf: Moment | null
  heldBackBy: string | null
  lastSuccessAt: Moment | null
}): string | null {
  if (asOf === null || lastSuccessAt === null) return heldBackBy
  return Number(new Date(lastSuccessAt)) - Number(new Date(asOf)) < worthTellingMs ? null : heldBackBy
}
