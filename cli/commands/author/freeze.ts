import type { Command } from 'commander'
import { freeze as planAndTry } from '../../../src/migrate/authoring/freeze.ts'
import { readFrozenMigrations } from '../../../src/migrate/frozen-migrations.ts'
import type { NewMigration } from '../../../src/migrate/plan/freeze.ts'
import type { Verified } from '../../../src/migrate/try-frozen.ts'
import { quoteName } from '../../../src/sql/names.ts'
import { count, dim, report } from '../../../src/terminal/report.ts'
import { displayName, displayPart, type QualifiedName } from '../../../src/words/names.ts'
import { Problem } from '../../../src/words/problem.ts'
import { harmless } from '../../output/terminal.ts'
import { readLocated, readScheduleWarnings } from '../../project/authored.ts'
import { readFolders, shownPath, writeMigrations } from '../../project/folders.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { diff, diffOption } from './diff.ts'
import { isUntouched } from './new.ts'

interface FreezeOptions {
  views: string[]
  message: string
  rename?: string[]
  remove?: string[]
  unverified?: boolean
  diff?: true | 'markdown'
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
    .addOption(diffOption().conflicts('unverified'))
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper freeze -m "sales by week"
  viewkeeper freeze --rename sales=weekly_sales -m "a better name"
  viewkeeper freeze --remove app.sales -m "nobody reads it"`,
    )
    .action((views, options) => freeze({ views, ...options }))
}

/** Writes a migration for each view that is new or has changed, after trying it on DATABASE_URL, up and down. */
export async function freeze({
  views,
  message,
  rename = [],
  remove = [],
  unverified,
  diff: shows,
}: FreezeOptions): Promise<void> {
  const located = await readLocated()
  const folders = await readFolders()
  const call = {
    located,
    frozen: await readFrozenMigrations(folders.migrations),
    folders: { views: shownPath(folders.views), migrations: shownPath(folders.migrations) },
    why: message,
    only: views.length === 0 ? null : views.map((view) => qualified(view, 'view')),
    renames: rename.map(readRename),
    removes: remove.map((view) => qualified(view, '--remove')),
  }
  const planned = await planAndTry(call, () => (unverified ? null : databaseFromUrl('write --unverified')))
  if (planned === null)
    return report.line(
      'nothing has changed since it was frozen; nothing was written. viewkeeper drift compares it with a database',
    )
  await printVerified(planned.fresh, planned.verified)
  for (const { slices, ...view } of planned.sliced)
    report.success(`${displayName(view)} can be refreshed by slices of ${displayPart(slices?.by ?? '')}`)
  const fresh = new Set(
    planned.fresh.flatMap(({ view, others = [] }) => [view, ...others.map((o) => o.view)].map(quoteName)),
  )
  const changed = located.map(({ definition }) => definition).filter((each) => fresh.has(quoteName(each)))
  if (shows) await diff(changed, { markdown: shows === 'markdown' }, true)
  for (const line of await readScheduleWarnings(changed)) report.warning(line)
  for (const { definition, file } of located)
    if (isUntouched(definition.sql) && fresh.has(quoteName(definition)))
      report.warning(
        `${displayName(definition)}: its query is still the example that \`new\` wrote (select 1 as id). Write the query next to ${file}, and freeze again`,
      )
  await writeMigrations(planned.migrations)
}

function readRename(text: string): { from: QualifiedName; to: QualifiedName } {
  const [from, to, ...more] = text.split(/=(?=(?:[^"]*"[^"]*")*[^"]*$)/) // not within quotes
  if (!from || !to || more.length > 0)
    throw new Problem('InvalidRequest', `--rename: write old=new, not ${JSON.stringify(text)}.`, {
      field: '--rename',
    })
  return { from: qualified(from, '--rename'), to: qualified(to, '--rename') }
}

async function printVerified(fresh: NewMigration[], verified: Verified[] | null): Promise<void> {
  for (const [at, migration] of fresh.entries()) {
    const tried = verified?.[at]
    const names = [migration, ...(migration.others ?? [])].map(({ view }) => displayName(view)).join(', ')
    report.success(
      `${names}   ${whatChanges(migration)}   ${dim(tried ? describe(tried, migration) : 'not tried on a database')}`,
    )
    if (tried === undefined) continue
    for (const warning of [...wayBackWarnings(names, tried), ...keyWarnings(tried)]) report.warning(warning)
  }
}

/** `targetLagSeconds 900 → 600, query changed` */
function whatChanges({ up: { change }, down, changed, others = [] }: NewMigration): string {
  if (change.does !== 'define' && change.does !== 'together') return change.does
  if (changed.length === 0) return 'new'
  if (change.does === 'together' || down.change.does !== 'define') {
    const fields = new Set([changed, ...others.map((other) => other.changed)].flat())
    return `${[...fields].join(', ')} changed${others.length > 0 ? ' together' : ''}`
  }
  const [before, after] = [down.change.definition, change.definition] as unknown as Record<string, unknown>[]
  const told = changed.map((field) => [field, shown(before?.[field]), shown(after?.[field])] as const)
  const large = told.flatMap(([field, from, to]) => (from === null || to === null ? field : []))
  return [
    ...told.flatMap(([field, from, to]) => (from === null || to === null ? [] : `${field} ${from} → ${to}`)),
    ...(large.length === 0 ? [] : [`${large.join(', ')} changed`]),
  ].join(', ')
}

/** A value of a field, if it fits into a line; null if it does not. */
const shown = (value: unknown): string | null =>
  value === null
    ? 'none'
    : ['number', 'boolean'].includes(typeof value) || (typeof value === 'string' && value.length <= 30)
      ? harmless(String(value))
      : null

/** What the trial has shown; of a view whose query stays, nothing that stays with it. */
function describe(
  { does, wayBack, dependents, indexes, grants }: Verified,
  { changed }: NewMigration,
): string {
  const valid = `valid on DATABASE_URL, ${wayBack.blocked === null ? 'up and down' : 'up'} (rolled back, not filled)`
  const there = does === null ? ['settings only: the view itself does not change'] : []
  if (changed.length > 0 && !changed.includes('query')) return [valid, ...there].join(', ')
  return [
    valid,
    ...there,
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

const keyWarnings = ({ nullKey }: Verified): string[] =>
  nullKey === null
    ? []
    : [`some rows have NULL in (${nullKey}): strategy "concurrent" writes these rows again in every refresh`]
