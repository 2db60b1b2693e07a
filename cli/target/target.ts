import type { Difference } from '../../src/catalog/plan/differences.ts'
import type { MigrationDone } from '../../src/migrate/apply.ts'
import type { Described } from '../../src/migrate/describe.ts'
import type { BroughtUp, MigrationStatus } from '../../src/migrate/migrate.ts'
import type { DoctorRequest, Findings } from '../../src/watch/doctor.ts'

/** The database that a command works on, reached directly or through the deployed function. */
export interface Target {
  up(
    options: { withData: boolean; repair: boolean },
    onDone: (done: MigrationDone) => void,
  ): Promise<Omit<BroughtUp, 'ahead'>>
  down(count: number, onDone: (done: MigrationDone) => void): Promise<MigrationDone[]>
  status(): Promise<MigrationStatus>
  /**
   * How the live views differ from the frozen definitions, which frozen migrations the database lacks (null if the login may
   * not know), and which views somebody has dropped.
   */
  drift(): Promise<{
    differences: Difference[]
    pending: string[] | null
    missing: MigrationStatus['missing']
  }>
  describe(views: string[] | 'all'): Promise<Described[]>
  doctor(request: DoctorRequest): Promise<Findings>
}
