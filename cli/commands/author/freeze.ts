import type { Command } from 'commander'
import { unqualifiedNames } from '../../../src/authoring/function-body.ts'
import type { Located } from '../../../src/authoring/load.ts'
import type { Database } from '../../../src/db/server/connect.ts'
import { readFrozenMigrations } from '../../../src/files/frozen-migrations.ts'
import {
  readReading,
  readUnknownDependencies,
  type Verified,
  verifyFrozen,
} from '../../../src/operations/migrations/verify.ts'
import { viewArgument } from '../../../src/plan/commands.ts'
import { planFreeze, unaccounted } from '../../../src/plan/migrations/freeze.ts'
import { type FrozenMigration, frozenState } from '../../../src/plan/migrations/frozen.ts'
import type { NewMigration } from '../../../src/plan/migrations/new-migration.ts'
import { displayName, type QualifiedName, quoteName } from '../../../src/plan/names.ts'
import type { Definition } from '../../../src/plan/views/definition.ts'
import { didYouMean } from '../../../src/plan/views/meant.ts'
import { Problem } from '../../../src/problem.ts'
import { count, dim, report } from '../../../src/terminal/report.ts'
import {
  canonicalOf,
  inRemovalOrder,
  notValid,
  readLocated,
  readsNowAndBefore,
  unread,
} from '../../project/authored.ts'
import { type Folders, readFolders, shownPath } from '../../project/folders.ts'
import { qualified } from '../../project/names.ts'
import { toMigrations, writeMigrations } from '../../project/write-migrations.ts'
import { databaseFromUrl } from '../../target/direct.ts'

interface FreezeOptions {
  views: string[]
  message: string
  rename?: string[]
  remove?: string[]
  unverified?: boolean
}

/** Declares `freeze`. */
export function addTo(program: Command): void {
  program
    .command('freeze')
    .argument('[view...]', 'only these views')
    .description('write a migration for each new or changed view')
    .requiredOption('-m, --message <why>', 'why; the text is written into the migration')
    .option('--rename <old=new...>', 'rename a view')
    .option('--remove <view...>', 'remove a view')
    .option('--unverified', 'do not try the migrations on DATABASE_URL')
    .action((views, options) => freeze({ views, ...options }))
}

/**
 * Writes a migration for each view that is new or has changed, after trying it on DATABASE_URL, up and down. Views whose
 * queries have changed and that read each other share a migration.
 */
export async function freeze({
  views,
  message,
  rename = [],
  remove = [],
  unverified,
}: FreezeOptions): Promise<void> {
  const located = await readLocated()
  const authored = located.map(({ definition }) => definition)
  const folders = await readFolders()
  const frozen = await readFrozenMigrations(folders.migrations)
  const renames = rename.map(readRename)
  const removes = remove.map((view) => qualified(view, '--remove'))
  const only = views.length === 0 ? null : views.map((view) => qualified(view, 'view'))
  insistOnViews({ folders, authored, frozen, renames, removes, only })
  const queries = [...authored, ...frozenState(frozen).values()].map(({ sql }) => sql)
  const request = {
    authored,
    migrations: frozen,
    why: message,
    only,
    renames,
    removes: await inRemovalOrder(removes, frozenState(frozen)),
    removesFirst: await unread(removes, frozenState(frozen)),
    canonical: await canonicalOf(queries),
  }
  if (planFreeze(request).length === 0) return report.line('nothing has changed; nothing was written')
  const database = unverified ? null : databaseFromUrl('write --unverified')
  const reading = database === null ? new Map<string, string[]>() : await readReading(database)
  const reads = await readsNowAndBefore(authored, frozenState(frozen), reading)
  const fresh = planFreeze({ ...request, reads })
  if (database !== null) await insistOnDependencies(database, { folders, located, frozen, fresh })
  const verified = database && (await verifyFrozen(database, frozen, toMigrations(fresh, frozen)))
  await printVerified(fresh, verified)
  await writeMigrations(toMigrations(withWaysBack(fresh, verified), frozen))
}

/** The migrations with the ways back that work on the database. */
const withWaysBack = (fresh: NewMigration[], verified: Verified[] | null): NewMigration[] =>
  fresh.map((each, at) => {
    const { change } = verified?.[at]?.wayBack ?? each.down
    return { ...each, down: { ...each.down, change } }
  })

function readRename(text: string): { from: QualifiedName; to: QualifiedName } {
  const [from, to, ...more] = text.split(/=(?=(?:[^"]*"[^"]*")*[^"]*$)/) // not within quotes
  if (!from || !to || more.length > 0) throw refused('--rename', `write old=new, not ${JSON.stringify(text)}`)
  return { from: qualified(from, '--rename'), to: qualified(to, '--rename') }
}

interface NamedViews {
  folders: Folders
  authored: Definition[]
  frozen: FrozenMigration[]
  renames: { from: QualifiedName; to: QualifiedName }[]
  removes: QualifiedName[]
  only: QualifiedName[] | null
}

/**
 * Refuses names that no view has. Refuses views that are no longer authored, unless `--remove` or
 * `--rename` names them.
 */
function insistOnViews({ folders, authored, frozen, renames, removes, only }: NamedViews): void {
  const isAuthored = new Set(authored.map(quoteName))
  const isFrozen = frozenState(frozen)
  const [views, migrations] = [folders.views, folders.migrations].map(shownPath)
  const insist = (holds: boolean, field: string, message: string, question = '') => {
    if (!holds) throw refused(field, message, question)
  }
  for (const view of only ?? [])
    insist(
      isAuthored.has(quoteName(view)),
      'view',
      `no file in ${views} defines ${displayName(view)}`,
      didYouMean(view, authored),
    )
  for (const view of removes) {
    insist(
      isFrozen.has(quoteName(view)),
      '--remove',
      `${displayName(view)} was never frozen, so ${migrations} has nothing to remove. If the view is in the database, drop it there, ` +
        'or with own SQL (docs/views.md)',
    )
    insist(
      !isAuthored.has(quoteName(view)),
      '--remove',
      `${displayName(view)} is still authored: delete its file in ${views} first`,
    )
  }
  for (const { from, to } of renames) {
    insist(isFrozen.has(quoteName(from)), '--rename', `${displayName(from)} was never frozen`)
    insist(!isFrozen.has(quoteName(to)), '--rename', `${displayName(to)} is frozen already as another view`)
    insist(
      isAuthored.has(quoteName(to)),
      '--rename',
      `no file in ${views} defines ${displayName(to)}: give the view that name there first`,
    )
    insist(
      !isAuthored.has(quoteName(from)),
      '--rename',
      `${displayName(from)} is still authored: change the name in its file instead of copying the file`,
    )
  }
  const gone = only === null ? unaccounted({ authored, migrations: frozen, renames, removes }) : []
  if (gone.length > 0) {
    const [first] = gone as [Definition, ...Definition[]]
    throw refused(
      String(views),
      `${gone.map(displayName).join(', ')}: frozen, but no longer authored. Add --remove ${viewArgument(first)}, or --rename ${viewArgument(first, 'new_name')}, for each`,
    )
  }
}

const refused = (field: string, message: string, question = ''): Problem =>
  new Problem('InvalidRequest', `${field}: ${message}.${question}`, { field })

/** Refuses a definition whose `dependsOn` names a view that is neither authored nor frozen nor in the database. */
async function insistOnDependencies(
  database: Database,
  {
    folders,
    located,
    frozen,
    fresh,
  }: { folders: Folders; located: Located[]; frozen: FrozenMigration[]; fresh: NewMigration[] },
): Promise<void> {
  const names = new Set(
    fresh.flatMap(({ view, others = [] }) => [view, ...others.map((other) => other.view)].map(quoteName)),
  )
  const defined = located.map(({ definition, ...place }) => ({ ...definition, ...place }))
  const unknown = await readUnknownDependencies(
    database,
    defined.filter((each) => names.has(quoteName(each))),
    [...defined, ...frozenState(frozen).values()],
  )
  const problems = unknown.map(({ definition: { file, line }, message }) => ({
    file,
    line,
    field: 'dependsOn',
    message,
  }))
  if (problems.length > 0) throw notValid(folders.views, problems)
}

async function printVerified(fresh: NewMigration[], verified: Verified[] | null): Promise<void> {
  for (const [at, migration] of fresh.entries()) {
    const tried = verified?.[at]
    const names = [migration, ...(migration.others ?? [])].map(({ view }) => displayName(view)).join(', ')
    report.success(
      `${names}   ${whatChanges(migration)}   ${dim(tried ? describe(tried) : 'not tried on a database')}`,
    )
    if (tried === undefined) continue
    for (const warning of [...wayBackWarnings(names, tried), ...(await warningsOf(tried))])
      report.warning(warning)
  }
}

function whatChanges({ up: { change }, changed, others = [] }: NewMigration): string {
  if (change.does !== 'define' && change.does !== 'together') return change.does
  if (changed.length === 0) return 'new'
  const fields = new Set([changed, ...others.map((other) => other.changed)].flat())
  return `${[...fields].join(', ')} changed${others.length > 0 ? ' together' : ''}`
}

function describe({ does, wayBack, dependents, indexes, grants }: Verified): string {
  return [
    `valid on DATABASE_URL, ${wayBack.blocked === null ? 'up and down' : 'up'} (rolled back, not filled)`,
    ...(does === null ? ['the view is in this state already'] : []),
    ...(dependents.length > 0 ? [`${count(dependents.length, 'dependent')} kept`] : []),
    ...(indexes > 0 ? [`${indexes} ${indexes === 1 ? 'index' : 'indexes'}`] : []),
    ...(grants > 0 ? [count(grants, 'grant')] : []),
  ].join(', ')
}

function wayBackWarnings(view: string, { does, wayBack }: Verified): string[] {
  const { change, instead, drift, blocked } = wayBack
  return [
    ...(instead === null
      ? []
      : [
          `${view}: what was frozen before does not run here any more: ${instead}. The down file ` +
            (change.does === 'drop' ? 'drops the view.' : 'makes the view as it is now.'),
        ]),
    ...(drift.length === 0 || does === null
      ? []
      : [
          `${view} differs from what was frozen before: ${drift.join('; ')}. The up file overwrites this, and the down file makes ` +
            'what was frozen. If the view is to stay as it is, freeze that first.',
        ]),
    ...(blocked === null ? [] : [blocked]),
  ]
}

async function warningsOf({ functions, nullKey }: Verified): Promise<string[]> {
  const unqualified = await Promise.all(
    functions.map(async ({ name, body, language }) => ({
      name,
      names: await unqualifiedNames(body, language),
    })),
  )
  return [
    ...unqualified
      .filter(({ names }) => names.length > 0)
      .map(
        ({ name, names }) =>
          `function ${name} names ${names.join(', ')} without a schema: from PostgreSQL 17 on, a refresh does not find ` +
          `them. Write the schema there, or run: alter function ${name} set search_path = …;`,
      ),
    ...(nullKey === null
      ? []
      : [
          `some rows have NULL in (${nullKey}): strategy "concurrent" writes these rows again in every refresh`,
        ]),
  ]
}
