const bytesOfGiB = 2 ** 30

/** GiB of memory of the burstable classes `t3` and `t4g`, by size. */
const burstable: Record<string, number> = {
  micro: 1,
  small: 2,
  medium: 4,
  large: 8,
  xlarge: 16,
  '2xlarge': 32,
}

/** GiB of memory for each virtual processor of the other classes; `m7g`, `m6idn` and `m5d` are all `m`. */
const perProcessor: [RegExp, number][] = [
  [/^c\d[a-z]*$/, 2],
  [/^m[5-9]\d*[a-z]*$/, 4],
  [/^(r[5-9]\d*[a-z]*|z1d)$/, 8],
  [/^x2(g|gd|idn)$/, 16],
  [/^x(1e|2iedn|2iezn)$/, 32],
]

/** Virtual processors of a size: 1 of `medium`, 2 of `large`, 4 of `xlarge`, 4 × N of `Nxlarge`. */
function processorsOf(size: string): number | undefined {
  if (size === 'medium') return 1
  if (size === 'large') return 2
  const [, times] = /^(\d*)xlarge$/.exec(size) ?? []
  return times === undefined ? undefined : 4 * Number(times || 1)
}

/**
 * The memory of an RDS instance class in GiB, by the name of the class without `db.`, as AWS's table of hardware
 * specifications has it. Undefined for a class whose memory does not follow from its name.
 */
export function memoryGiBOf(instanceType: string): number | undefined {
  const [family = '', size = ''] = instanceType.split('.')
  if (/^t(3|4g)$/.test(family)) return burstable[size]
  const [, gib] = perProcessor.find(([pattern]) => pattern.test(family)) ?? []
  const processors = processorsOf(size)
  return gib === undefined || processors === undefined ? undefined : gib * processors
}

/**
 * The most connections that a PostgreSQL of this instance class allows by RDS's default, `LEAST(DBInstanceClassMemory /
 * 9531392, 5000)`; undefined for a class that is not known. `DBInstanceClassMemory` is the memory without the part that
 * RDS and the operating system take, so the server itself allows fewer: `show max_connections` tells.
 */
export function maxConnectionsOf(instanceType: string): number | undefined {
  const gib = memoryGiBOf(instanceType)
  return gib === undefined ? undefined : Math.min(Math.floor((gib * bytesOfGiB) / 9_531_392), 5000)
}
