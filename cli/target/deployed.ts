import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { standingOf } from '../../src/db/migrations/journal.ts'
import { readFrozenMigrations } from '../../src/files/frozen-migrations.ts'
import type { MigrationDone, MigrationStatus } from '../../src/operations/migrations/migrate.ts'
import type { DescribedView } from '../../src/operations/views/describe.ts'
import type { Difference } from '../../src/plan/views/differences.ts'
import { Problem } from '../../src/problem.ts'
import { folders } from '../project/folders.ts'
import { regionOf } from './region.ts'
import type { Target } from './target.ts'

/** Longer than the function lives. */
const longestMs = 15 * 60_000

/**
 * A deployed environment, through its function `migrate`, under the caller's own rights: nobody needs a way to the private
 * database. What it applies and compares with is what was deployed, never what lies in the folder.
 */
export function deployedTarget(environment: string): Target {
  const lambda = new LambdaClient({
    region: regionOf(environment),
    requestHandler: { requestTimeout: longestMs },
    maxAttempts: 1,
  })
  const ask = <Answer>(command: object) =>
    invoke<Answer>(lambda, `viewkeeper-${environment}-migrate`, command)
  const status = async (): Promise<MigrationStatus> => {
    const { applied, ahead } = await ask<{ applied: MigrationStatus['applied']; ahead: string[] }>({
      command: 'status',
    })
    if (ahead.length > 0) throw isBehind(environment, ahead)
    const standing = standingOf(await readFrozenMigrations(folders.migrations), applied)
    return {
      applied: standing.applied.map((entry) => ({ ...entry, appliedAt: new Date(entry.appliedAt) })),
      pending: standing.pending.map(({ name }) => name),
      ahead: standing.ahead.map(({ name }) => name),
    }
  }
  return {
    status,
    async up({ withData }, onDone) {
      if (!withData) {
        throw new Problem(
          'InvalidRequest',
          '--no-data is for DATABASE_URL: a deployed environment fills its views.',
          {
            field: '--no-data',
          },
        )
      }
      const { views } = await ask<{ views: { applied: MigrationDone[] } }>({ command: 'up' })
      views.applied.forEach(onDone)
      return views.applied
    },
    async down(count, onDone) {
      const { undone } = await ask<{ undone: MigrationDone[] }>({ command: 'down', count })
      undone.forEach(onDone)
      return undone
    },
    async check() {
      const { differences } = await ask<{ differences: Difference[] }>({ command: 'check' })
      return { differences, pending: (await status()).pending }
    },
    describe: async (views) => (await ask<{ views: DescribedView[] }>({ command: 'describe', views })).views,
  }
}

/** The refusal where the database has more than what is deployed: a deploy was rolled back, or an older one came after it. */
const isBehind = (environment: string, names: string[]): Problem =>
  new Problem(
    'MigrationFailed',
    `${environment}: what is deployed lacks ${names.join(', ')}, which its database has. Deploy the version that has them again.`,
  )

async function invoke<Answer>(lambda: LambdaClient, name: string, command: object): Promise<Answer> {
  const { Payload, FunctionError } = await lambda
    .send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(command) }))
    .catch((error: Error) => {
      throw new Problem('InvalidRequest', `${name} cannot be invoked: ${error.message} (${error.name}).`, {
        cause: error,
      })
    })
  const answer = JSON.parse(Payload?.transformToString() || 'null')
  if (FunctionError === undefined) return answer as Answer
  const { errorType, errorMessage } = (answer ?? {}) as { errorType?: string; errorMessage?: string }
  throw new Problem(
    'MigrationFailed',
    `${name}: ${errorMessage ?? 'failed without a word'} (${errorType ?? FunctionError})`,
  )
}
