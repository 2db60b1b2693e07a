import { readFrozenMigrationsSync } from '../../src/files/frozen-migrations.ts'
import { frozenState } from '../../src/plan/migrations/frozen.ts'
import { type ScheduledView, scheduledViews } from '../../src/plan/views/scheduled.ts'

/**
 * The views that have their own schedule after the migrations of a folder are applied. Refuses a folder with
 * a gap, a number that is taken twice or an edited file: such a folder would fail in the middle of a deploy.
 */
export const readScheduledViews = (migrations: URL): ScheduledView[] =>
  scheduledViews([...frozenState(readFrozenMigrationsSync(migrations)).values()])
