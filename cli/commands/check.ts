import { readFrozenMigrations } from '../../src/db/frozen-migrations.ts'
import type { Difference } from '../../src/plan/differences.ts'
import { authoredDifferences } from '../../src/plan/freeze.ts'
import { frozenState } from '../../src/plan/frozen.ts'
import { canonicalOf, readAuthored } from '../authored.ts'
import { folders } from '../folders.ts'
import { count, dim, report } from '../report.ts'
import { targetOf } from '../target.ts'

interface CheckOptions {
  env?: string
  offline?: boolean
  ignoreUnmanaged?: boolean
  json?: boolean
}

/** Compares authored, frozen and live, prints every difference, and leaves exit code 1 where there is one. */
export async function check({ env, offline, ignoreUnmanaged, json }: CheckOptions): Promise<void> {
  const authored = await readAuthored()
  const migrations = await readFrozenMigrations(folders.migrations)
  const frozen = frozenState(migrations)
  const queries = [...authored, ...frozen.values()].map(({ sql }) => sql)
  const differences: Difference[] = [
    ...authoredDifferences(authored, migrations, await canonicalOf(queries)),
    ...(offline ? [] : await targetOf({ env }).check()).filter(
      ({ kind }) => !(ignoreUnmanaged && kind === 'unmanaged'),
    ),
  ]
  if (json) process.stdout.write(`${JSON.stringify({ differences }, null, 2)}\n`)
  else print(differences, frozen.size, offline)
  if (differences.length > 0) process.exitCode = 1
}

function print(differences: Difference[], views: number, offline = false): void {
  if (differences.length === 0) {
    report.success(
      `${count(views, 'view')}: authored ${offline ? 'and frozen are the same; no database was looked at' : ', frozen and live are the same'}`,
    )
    return
  }
  const named = differences.map((difference) => ({ ...difference, name: readable(difference.view) }))
  const width = Math.max(...named.map(({ name }) => name.length))
  for (const { name, kind, message } of named)
    report.failure(`${name.padEnd(width)}   ${dim(kind.padEnd(11))}   ${message}`)
  report.line(
    `${count(differences.length, 'difference')} in ${count(new Set(differences.map(({ view }) => view)).size, 'view')}`,
  )
}

/** Without the quotes that a plain name does not need. */
const readable = (view: string): string => view.replace(/"([a-z_][a-z0-9_]*)"/g, '$1')
