/** What one execution of one arm took. */
export interface Sample {
  ms: number
  /** Undefined if it was not measured. */
  walBytes?: number
  /** Of each read that was due meanwhile, the milliseconds from its due time to its answer. */
  reads: number[]
}

/** What to compare, by name. */
export type Arms<Name extends string> = Record<Name, () => Promise<Sample>>

/**
 * Executes each arm once per round, every other round in the opposite order, so that other work on the
 * machine delays all arms alike. The first rounds warm up and are not counted.
 */
export async function inRounds<Name extends string>(
  arms: Arms<Name>,
  { rounds, warmUp }: { rounds: number; warmUp: number },
): Promise<Record<Name, Sample[]>> {
  const names = Object.keys(arms) as Name[]
  const samples = Object.fromEntries(names.map((name) => [name, [] as Sample[]])) as Record<Name, Sample[]>
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const sample = await arms[name]()
      if (round >= warmUp) samples[name].push(sample)
    }
  }
  return samples
}

/** A sample of which only the time was measured. */
export const sampleOf = (ms: number): Sample => ({ ms, reads: [] })
