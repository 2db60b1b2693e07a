/** Numbers that look random, and are always the same ones for a seed. */
export interface Seeded {
  /** A whole number from 0 on, below `n`. */
  below(n: number): number
  oneOf<T>(some: readonly T[]): T
}

/** mulberry32 */
export function seeded(seed: number): Seeded {
  let state = seed
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
  return { below, oneOf: (some) => some[below(some.length)]! }
}

/** `SEED` of the environment replays a test. A short run has always the same seed; a soak has another each time. */
export const seedOf = (usual: number): number =>
  Number(process.env.SEED ?? (process.env.SOAK ? Math.floor(Math.random() * 1e9) : usual))
