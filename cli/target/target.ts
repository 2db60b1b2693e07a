import type { MigrationDone, MigrationStatus } from '../../src/operations/migrations/migrate.ts'
import type { DescribedView } from '../../src/operations/views/describe.ts'
import type { DoctorRequest, Findings } from '../../src/operations/views/doctor.ts'
import type { Difference } from '../../src/plan/views/differences.ts'

/** The database that a command works on, reached directly or through the deployed function. */
export interface Target {
  up(options: { withData: boolean }, onDone: (done: MigrationDone) => void): Promise<MigrationDone[]>
  down(count: number, onDone: (done: MigrationDone) => void): Promise<MigrationDone[]>
  status(): Promise<MigrationStatus>
  /**
   * How the live views differ from the frozen definitions, and which frozen migrations the database lacks; null if the
   * login may not know.
   */
  check(): Promise<{ differences: Difference[]; pending: string[] | null }>
  describe(views: string[] | 'all'): Promise<DescribedView[]>
  doctor(request: DoctorRequest): Promise<Findings>
}
