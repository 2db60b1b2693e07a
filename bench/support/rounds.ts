/** What one go of one thing took. */
export interface Sample {
  ms: number
  /** Left out where nobody looks at it. */
  walBytes?: number
  /** Milliseconds from when each read was due to its answer, of those due meanwhile. */
  reads: number[]
}

/** The things to compare, each by its name. */
export type Arms<Name extends string> = Record<Name, () => Promise<Sample>>

/**
 * Does each thing once per round, every other round in the opposite order, so that whatever else the machine does meets
 * all of them alike. The first rounds warm up and are not counted.
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
