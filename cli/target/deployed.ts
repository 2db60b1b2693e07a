import { LambdaClient } from '@aws-sdk/client-lambda'
import { clientSettings } from '../../src/api/lambda/aws-client.ts'
import { invokeFunction } from '../../src/api/lambda/invoke.ts'
import type { Difference } from '../../src/catalog/plan/differences.ts'
import type { MigrationDone } from '../../src/migrate/apply-migrations.ts'
import type { Described } from '../../src/migrate/describe.ts'
import { readFrozenMigrations } from '../../src/migrate/frozen-migrations.ts'
import type { BroughtUp, MigrationStatus } from '../../src/migrate/migrate.ts'
import { compareJournal } from '../../src/migrate/plan/journal.ts'
import type { DoctorRequest, Findings } from '../../src/watch/doctor.ts'
import type { CommandTarget } from '../../src/words/commands.ts'
import { Problem } from '../../src/words/problem.ts'
import { findEnvironment } from '../api/signed.ts'
import { readFolders, regionOf } from '../project/folders.ts'
import type { Subscribers } from './mails.ts'

/** The database that a command works on, reached directly or through the deployed function. */
export interface MigrationTarget {
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
  /** Of a deployed environment, also who gets its mails. */
  doctor(request: DoctorRequest, typed: CommandTarget): Promise<Findings & { mails?: Subscribers | null }>
}

/** Longer than the longest life of the function. */
const longestMs = 15 * 60_000

/** A function that sleeps is awake after about a minute. */
const wakingMs = 2 * 60_000

/**
 * A deployed environment, through its function `migrate`. The caller needs the right to invoke the function,
 * which the environment's parameter names, and no connection to the private database. The function applies and compares what
 * was deployed, never the files in the current folder. The caller compares these with what the environment has applied.
 */
export function deployedTarget(environment: string): MigrationTarget {
  const send = async <Answer>(command: object) => {
    const region = await regionOf(environment)
    const migrate = await findEnvironment(environment, region, 'migrateArn')
    const lambda = new LambdaClient({
      region,
      // One attempt: a request whose answer is lost may have undone a migration.
      ...clientSettings({ requestMs: longestMs, attempts: 1 }),
    })
    return invoke<Answer>(lambda, migrate, command)
  }
  const status = async (): Promise<MigrationStatus> => {
    const { applied, ahead, missing } = await send<MigrationStatus>({ command: 'status' })
    if (ahead.length > 0) throw isBehind(environment, ahead)
    const standing = compareJournal(await readFrozenMigrations((await readFolders()).migrations), applied)
    return {
      applied: standing.applied.map((entry) => ({ ...entry, appliedAt: new Date(entry.appliedAt) })),
      pending: standing.pending.map(({ name }) => name),
      ahead: standing.ahead.map(({ name }) => name),
      missing,
    }
  }
  return {
    status,
    async up({ withData, repair }, onDone) {
      if (!withData) {
        throw new Problem(
          'InvalidRequest',
          '--no-data works only with DATABASE_URL: a deployed environment always fills its views.',
          {
            field: '--no-data',
          },
        )
      }
      const { views } = await send<{ views: BroughtUp }>({ command: 'up', repair })
      for (const done of [...views.applied, ...views.repaired]) onDone(done)
      return views
    },
    async down(count, onDone) {
      const { undone } = await send<{ undone: MigrationDone[] }>({ command: 'down', count })
      undone.forEach(onDone)
      return undone
    },
    async drift() {
      const { differences } = await send<{ differences: Difference[] }>({ command: 'drift' })
      const { pending, missing } = await status()
      return { differences, pending, missing }
    },
    describe: async (views) => (await send<{ views: Described[] }>({ command: 'describe', views })).views,
    async doctor(request) {
      const { readListeners } = await import('./mails.ts')
      const [findings, mails] = await Promise.all([
        send<Findings>({ command: 'doctor', ...request }),
        readListeners(environment),
      ])
      return { ...findings, mails }
    },
  }
}

/**
 * The refusal if the database has migrations that the deployed version lacks: a deploy was rolled back, or an
 * older version was deployed.
 */
const isBehind = (environment: string, names: string[]): Problem =>
  new Problem(
    'MigrationFailed',
    `${environment}: its database has ${names.join(', ')}, and the deployed version lacks them. Deploy a version that has them.`,
  )

async function invoke<Answer>(lambda: LambdaClient, name: string, command: object): Promise<Answer> {
  const now = Date.now()
  const limits = { tryUntil: now + wakingMs, until: now + wakingMs + longestMs }
  return invokeFunction<Answer>(lambda, name, command, limits).catch((error: Error) => {
    if (error instanceof Problem && error.code === 'FunctionUnavailable') throw error
    if (error instanceof Problem)
      throw new Problem('MigrationFailed', `${name}: ${error.message} (${error.code})`)
    // What does not exist is named wrongly; anything else may be had later, or with other rights.
    const code = error.name === 'ResourceNotFoundException' ? 'InvalidRequest' : 'FunctionUnavailable'
    throw new Problem(code, `${name} cannot be invoked: ${error.message} (${error.name}).`, { cause: error })
  })
}
