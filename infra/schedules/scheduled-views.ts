import { createHash } from 'node:crypto'
import type { Definition } from '../../src/catalog/plan/definition.ts'
import type { ViewTimes } from '../../src/catalog/plan/scheduled.ts'
import { readFrozenMigrationsSync } from '../../src/migrate/frozen-migrations.ts'
import { frozenState } from '../../src/migrate/plan/frozen.ts'

/**
 * The definitions of views after the migrations of a folder are applied, and the number of the newest one. Refuses a folder with a gap, a number that is taken
 * twice or an edited file: such a folder would fail in the middle of a deploy.
 */
export function readFrozenDefinitions(folder: URL): { definitions: Definition[]; newest: number } {
  const migrations = readFrozenMigrationsSync(folder)
  return { definitions: [...frozenState(migrations).values()], newest: migrations.at(-1)?.number ?? 0 }
}

/** A name of EventBridge Scheduler has at most 64 characters, of which an environment takes 20 and a hyphen. */
const maxLength = 64 - 21
const hashLength = 10

/**
 * The name of the schedule of all views with these times: legible text, and a hash of the times, so that two
 * of them never share a name. `0 6 * * 1-5` in Europe/Berlin has `0_6_x_x_1-5_Europe_Berlin-` and its hash.
 */
export function scheduleName({ schedule, timeZone }: ViewTimes): string {
  const times = `${schedule} ${timeZone}`
  const hash = createHash('sha256').update(times).digest('hex').slice(0, hashLength)
  const legible = times.replaceAll('*', 'x').replaceAll(/[^A-Za-z0-9.-]/g, '_')
  return `${legible.slice(0, maxLength - hashLength - 1)}-${hash}`
}
