import { createHash } from 'node:crypto'
import { readFrozenMigrations } from '../../src/files/frozen-migrations.ts'
import { frozenState } from '../../src/plan/migrations/frozen.ts'
import { type ScheduledView, scheduledViews } from '../../src/plan/views/scheduled.ts'

/**
 * The views that have their own schedule after the migrations of a folder are applied. Refuses a folder with
 * a gap, a number that is taken twice or an edited file: such a folder would fail in the middle of a deploy.
 */
export async function readScheduledViews(migrations: URL): Promise<ScheduledView[]> {
  return scheduledViews([...frozenState(await readFrozenMigrations(migrations)).values()])
}

/** The most characters in a name of EventBridge Scheduler. */
const maxLength = 64
const hashLength = 10

/**
 * The name of a view's schedule: the name of the view, if EventBridge accepts it. Otherwise a hyphen and a
 * hash of the view's name are added. A name without a hash never has a hyphen, so two views never share a
 * schedule's name.
 */
export function scheduleName(view: string): string {
  if (view.length <= maxLength && /^[a-z0-9_.]+$/.test(view)) return view
  const hash = createHash('sha256').update(view).digest('hex').slice(0, hashLength)
  const legible = view.replaceAll('"', '').replaceAll(/[^A-Za-z0-9_.]/g, '_')
  return `${legible.slice(0, maxLength - hashLength - 1)}-${hash}`
}
