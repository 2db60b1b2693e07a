import { rm } from 'node:fs/promises'
import type { Command } from 'commander'
import { obstaclesIn, type ViewRights } from '../../../src/catalog/plan/abilities.ts'
import { fixesOf, fixLines } from '../../../src/catalog/plan/rights.ts'
import { readCronFacts, sayCronJobs } from '../../../src/migrate/authoring/cron-jobs.ts'
import { canonicalOf } from '../../../src/migrate/authoring/freeze.ts'
import { type Described, type DescribedView, isDefined } from '../../../src/migrate/describe.ts'
import { type Fresh, readFrozenMigrations, toMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { refuseOtherFolders } from '../../../src/migrate/migrate.ts'
import { planFreeze } from '../../../src/migrate/plan/freeze.ts'
import type { FrozenFile } from '../../../src/migrate/plan/frozen.ts'
import type { DescribedPlainView } from '../../../src/rebuild/plan/plain-view.ts'
import { quoteName } from '../../../src/sql/names.ts'
import { fileNameOf, identifierFault, nameFault, schemaFault } from '../../../src/sql/new-names.ts'
import { count, dim, report } from '../../../src/terminal/report.ts'
import { command } from '../../../src/words/commands.ts'
import { displayName, displayPart, unquoted } from '../../../src/words/names.ts'
import { Problem } from '../../../src/words/problem.ts'
import { harmless } from '../../output/terminal.ts'
import { readAuthored } from '../../project/authored.ts'
import { readFolders, writeMigrations, writeViewFiles } from '../../project/folders.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl, targetOf } from '../../target/direct.ts'
import { environment } from '../asking.ts'

interface AdoptOptions {
  views: string[]
  all?: boolean
  message: string
  env?: string
  trust?: string[]
}

/** Declares `adopt`. */
export function addTo(program: Command): void {
  program
    .command('adopt')
    .argument('[view...]', 'these views')
    .description('author and freeze existing views')
    .option('--all', 'every view that is not authored')
    .option('-m, --message <why>', 'why; the text is written into the migration', 'adopted as it was')
    .option('--trust <role...>', 'also take the plain views of this role')
    .option(...environment)
    .action((views, options) => adopt({ views, ...options }))
}

/** Authors and freezes views of the database. The database is only read. */
export async function adopt(options: AdoptOptions): Promise<void> {
  const { views: named, all, env, trust = [] } = options
  if (named.length > 0 === (all ?? false)) {
    throw new Problem('InvalidRequest', 'Either name the views to adopt, or write --all.', { field: 'view' })
  }
  const known = new Set((await readAuthored()).map(quoteName))
  const frozen = await readFrozenMigrations((await readFolders()).migrations)
  if (env === undefined) await refuseOtherFolders(databaseFromUrl(), frozen)
  const described = await (await targetOf({ env })).describe(
    all ? 'all' : [...new Set(named.map((view) => quoteName(qualified(view, 'view'))))],
  )
  const isFresh = (view: DescribedView) => !known.has(quoteName(view.definition)) && faultOf(view) === null
  const views = described.filter(isDefined)
  const fresh = views.filter(isFresh)
  for (const view of views) {
    const { definition } = view
    const why = known.has(quoteName(definition)) ? 'is authored already' : faultOf(view)
    if (why !== null) report.line(dim(`· ${displayName(definition)}   ${why}`))
  }
  if (fresh.length === 0) {
    const left =
      trust.length === 0
        ? []
        : described
            .filter((each) => 'ownSql' in each)
            .filter(
              ({ role, ownSql }) =>
                trust.includes(unquoted(role)) && frozen.every(({ up }) => up.text !== ownSql),
            )
    report.line(
      left.length === 0
        ? 'there is nothing to adopt; nothing was written'
        : `the views that read ${left.map(displayName).join(', ')} are adopted without it; nothing was written. Remove the files of that adoption, and type this again`,
    )
    return env === undefined ? sayCron() : undefined
  }
  const files = await writeViewFiles(fresh.map(({ definition }) => definition))
  try {
    await freezeAdopted(
      described.filter((each) => !isDefined(each) || isFresh(each)),
      frozen,
      options,
    )
  } catch (error) {
    await Promise.all(files.map((file) => rm(file)))
    throw error
  }
  sayMissing(fresh.map(({ rights }) => rights))
  report.line(`${count(fresh.length, 'view')} adopted; the database was not changed`)
  if (env === undefined) await sayCron()
  report.line()
  report.line('next, in this order:')
  report.line()
  report.line(
    `  npx viewkeeper migrate up      ${dim('# or a deploy: records the views in the database, and touches none')}`,
  )
  report.line(`  npx viewkeeper drift           ${dim('# authored, frozen and live are the same')}`)
  report.line(`  npx viewkeeper refresh --all   ${dim('# until then nobody knows how old the data are')}`)
}

/** What pg_cron does to the views. Its commands may hold secrets, so they leave no deployed environment. */
async function sayCron(): Promise<void> {
  const facts = await databaseFromUrl().withConnection(readCronFacts, {
    startUp: { application_name: 'viewkeeper adopt' },
  })
  if (facts === null) return
  report.line()
  if (typeof facts === 'string') return report.line(`cron.job of pg_cron was not read: ${harmless(facts)}`)
  const lines = await sayCronJobs(facts)
  report.line(
    lines.length === 0
      ? 'cron.job of pg_cron has no jobs'
      : 'pg_cron has these jobs. None was changed; to take one over, write its schedule into the definition, deploy, then unschedule it:',
  )
  for (const line of lines) report.line(`  ${harmless(line)}`)
}

/** Why a view cannot be authored; null if it can. */
function faultOf({ definition: { schema, name, indexes }, misread }: DescribedView): string | null {
  const names = [name, ...indexes.map((index) => index.name)]
  for (const [at, part] of [schema, ...names].entries()) {
    const fault = identifierFault(part) ?? (at === 0 ? schemaFault(part) : nameFault(part))
    if (fault !== null) return `not adopted: ${displayPart(part)} ${fault}. Rename it first`
  }
  // A gateway of an older version does not say this.
  return misread ? `not adopted: ${misread}. Create it by own SQL` : null
}

/** Why own SQL cannot name a plain view; null if it can. */
const plainFaultOf = ({ schema, name }: DescribedPlainView): string | null =>
  [schema, name].map(identifierFault).find((fault) => fault !== null) ?? null

/** Freezes in the order that the database gives: the SQL texts do not show every view that a view reads. */
async function freezeAdopted(
  described: Described[],
  frozen: Awaited<ReturnType<typeof readFrozenMigrations>>,
  { views, all, message: why, trust = [] }: AdoptOptions,
): Promise<void> {
  const fresh = described.filter(isDefined)
  const known = new Map((await readAuthored()).map((definition) => [quoteName(definition), definition]))
  const authored = fresh.flatMap(({ definition }) => known.get(quoteName(definition)) ?? [])
  const only = fresh.map(({ definition: { schema, name } }) => ({ schema, name }))
  const canonical = await canonicalOf(authored, frozen)
  const planned = planFreeze({
    authored,
    migrations: frozen,
    why,
    only,
    renames: [],
    removes: [],
    adopts: true,
    canonical,
  })
  const isTrusted = ({ role, trusted }: DescribedPlainView) => trusted || trust.includes(unquoted(role))
  const isWritten = ({ ownSql }: DescribedPlainView) => frozen.some(({ up }) => up.text === ownSql)
  const plain = described
    .filter((each) => 'ownSql' in each)
    .filter((each) => !isWritten(each) && isTrusted(each) && plainFaultOf(each) === null)
  const migrations = described.flatMap((each): Fresh[] => {
    if (isDefined(each)) return planned.filter(({ view }) => quoteName(view) === quoteName(each.definition))
    return plain.some((one) => one === each) ? [ownSqlOf(each)] : []
  })
  await writeMigrations(toMigrations(migrations, frozen))
  for (const { definition, leftOut, rights } of fresh) {
    const { search_path: path } = definition.settings
    const left = `${path === undefined ? '' : dim(`   read with search_path ${path}`)}${staysOnly(leftOut)}`
    const why = whyNot(rights)
    if (why === null) report.success(`${displayName(definition)}${left}`)
    else report.warning(`${displayName(definition)}   ${why}${left}`)
  }
  for (const { schema, name, leftOut } of plain)
    report.success(`plain view ${displayName({ schema, name })}   as own SQL${staysOnly(leftOut)}`)
  for (const each of described) {
    if (isDefined(each)) continue
    const left = `plain view ${harmless(displayName(each))} is not part of the migrations:`
    const fault = plainFaultOf(each)
    if (fault !== null) report.warning(`${left} ${fault}`)
    else if (!isTrusted(each))
      report.warning(
        `${left} its owner is ${each.role}, whose SQL would run with the rights of your login. ` +
          // It has to stand in the migrations before the views that read it.
          `To include it, remove the files of this adoption and type: ${command(['adopt', ...(all ? ['--all'] : views), '--trust', unquoted(each.role)], null)}`,
      )
  }
}

const staysOnly = (leftOut: string[]): string =>
  leftOut.length === 0 ? '' : dim(`   stays in the database only: ${leftOut.join(', ')}`)

/**
 * The migration that makes a plain view in a database without it. The way back leaves it alone, as that of an adopted view
 * does.
 */
function ownSqlOf({ schema, name, ownSql }: DescribedPlainView): Fresh {
  const own = (sql: string): FrozenFile => ({ change: { does: 'sql', sql }, why: null })
  return {
    words: fileNameOf(name),
    up: own(ownSql),
    down: own(`-- Plain view ${displayName({ schema, name })} stays.\n`),
  }
}

/** Why a deploy could not work on a view; null if it can. */
function whyNot({ refresh, migrate }: ViewRights): string | null {
  const lacking = [...refresh, ...migrate].filter(({ fix }) => fix !== null).map(({ because }) => because)
  return lacking.length === 0 ? null : [...new Set(lacking)].join('; ')
}

/** What has to be run before a deploy can work on the adopted views. */
function sayMissing(rights: ViewRights[]): void {
  const hindered = rights.filter((view) => whyNot(view) !== null)
  if (hindered.length === 0) return
  for (const line of fixLines(fixesOf(obstaclesIn(hindered)))) report.line(line)
  report.line()
  report.line(
    `before a deploy can work on ${hindered.length === 1 ? 'the marked view' : 'the marked views'}, the SQL above has to run`,
  )
}
