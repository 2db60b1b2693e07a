/** What nobody knows anything about is thought to take so long, in milliseconds. */
const unknownMs = 1000

/** How long a refresh takes whose usual duration nobody knows, in milliseconds: the median of those that are known, or a second. */
export function unknownDuration(usual: (number | null)[]): number {
  const known = usual.filter((ms) => ms !== null).sort((a, b) => a - b)
  return known[Math.floor((known.length - 1) / 2)] ?? unknownMs
}
