import { createHash } from 'node:crypto'
import { readFrozenMigrations } from '../../src/files/frozen-migrations.ts'
import { frozenState } from '../../src/plan/migrations/frozen.ts'
import { type ScheduledView, scheduledViews } from '../../src/plan/views/scheduled.ts'

/**
 * The views that have a schedule of their own once the migrations of a folder are applied. Refuses a folder with a gap, a
 * number taken twice or an edited file, which would fail in the middle of a deploy.
 */
export async function readScheduledViews(migrations: URL): Promise<ScheduledView[]> {
  return scheduledViews([...frozenState(await readFrozenMigrations(migrations)).values()])
}

/** EventBridge Scheduler takes no more characters. */
const maxLength = 64
const hashLength = 10

/**
 * The name of a view's schedule: the view's own where EventBridge takes it. Any other ends in a hash of it, after a hyphen,
 * which no name has that is taken as it is: two views never share one.
 */
export function scheduleName(view: string): string {
  if (view.length <= maxLength && /^[a-z0-9_.]+$/.test(view)) return view
  const hash = createHash('sha256').update(view).digest('hex').slice(0, hashLength)
  const legible = view.replaceAll('"', '').replaceAll(/[^A-Za-z0-9_.]/g, '_')
  return `${legible.slice(0, maxLength - hashLength - 1)}-${hash}`
}
