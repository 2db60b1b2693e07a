import { rm } from 'node:fs/promises'
import { readFrozenMigrations } from '../../../src/files/frozen-migrations.ts'
import { refuseOtherFolders } from '../../../src/operations/migrations/own-folder.ts'
import type { DescribedView } from '../../../src/operations/views/describe.ts'
import { planFreeze } from '../../../src/plan/migrations/freeze.ts'
import { displayName, displayPart, identifierFault, quoteName } from '../../../src/plan/names.ts'
import { nameFault, schemaFault } from '../../../src/plan/reserved-names.ts'
import { cureLines, curesOf, type ViewRights } from '../../../src/plan/views/rights.ts'
import { Problem } from '../../../src/problem.ts'
import { count, dim, report } from '../../output/report.ts'
import { canonicalOf, readAuthored } from '../../project/authored.ts'
import { readFolders } from '../../project/folders.ts'
import { qualified } from '../../project/names.ts'
import { writeViewFiles } from '../../project/view-file.ts'
import { toMigrations, writeMigrations } from '../../project/write-migrations.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { targetOf } from '../../target/target-of.ts'

interface AdoptOptions {
  views: string[]
  all?: boolean
  message: string
  env?: string
}

/** Authors and freezes views of the database. The database is only read. */
export async function adopt({ views, all, message, env }: AdoptOptions): Promise<void> {
  if (views.length > 0 === (all ?? false)) {
    throw new Problem('InvalidRequest', 'Either name the views to adopt, or write --all.', { field: 'view' })
  }
  const known = new Set((await readAuthored()).map(quoteName))
  const frozen = await readFrozenMigrations((await readFolders()).migrations)
  if (env === undefined) await refuseOtherFolders(databaseFromUrl(), frozen)
  const described = await (await targetOf({ env })).describe(
    all ? 'all' : [...new Set(views.map((view) => quoteName(qualified(view, 'view'))))],
  )
  const fresh = described.filter(
    ({ definition }) => !known.has(quoteName(definition)) && faultOf(definition) === null,
  )
  for (const { definition } of described) {
    const why = known.has(quoteName(definition)) ? 'is authored already' : faultOf(definition)
    if (why !== null) report.line(dim(`· ${displayName(definition)}   ${why}`))
  }
  if (fresh.length === 0) return report.line('there is nothing to adopt; nothing was written')
  const files = await writeViewFiles(fresh.map(({ definition }) => definition))
  try {
    await freezeAdopted(fresh, frozen, message)
  } catch (error) {
    await Promise.all(files.map((file) => rm(file)))
    throw error
  }
  for (const [plain, readers] of plainViewsOf(fresh)) {
    report.warning(
      `plain view ${plain}, which ${readers.join(', ')} ${readers.length === 1 ? 'reads' : 'read'}, is not part of the migrations: ` +
        'create the plain view yourself in a database without it',
    )
  }
  sayMissing(fresh.map(({ rights }) => rights))
  report.line(`${count(fresh.length, 'view')} adopted; the database was not changed`)
}

/** Why a view cannot be authored; null if it can. */
function faultOf({ schema, name, indexes }: DescribedView['definition']): string | null {
  const names = [name, ...indexes.map((index) => index.name)]
  for (const part of [schema, ...names]) {
    const fault = identifierFault(part) ?? (part === schema ? schemaFault(part) : nameFault(part))
    if (fault !== null) return `not adopted: ${displayPart(part)} ${fault}. Rename it first`
  }
  return null
}

/** The plain views that the views read, each with the names of its readers. */
function plainViewsOf(views: DescribedView[]): Map<string, string[]> {
  const readers = new Map<string, string[]>()
  for (const { definition, plainViews } of views) {
    for (const plain of plainViews)
      readers.set(plain, [...(readers.get(plain) ?? []), displayName(definition)])
  }
  return readers
}

/** Freezes in the order that the database gives: the SQL texts do not show every view that a view reads. */
async function freezeAdopted(
  fresh: DescribedView[],
  frozen: Awaited<ReturnType<typeof readFrozenMigrations>>,
  why: string,
): Promise<void> {
  const known = new Map((await readAuthored()).map((definition) => [quoteName(definition), definition]))
  const authored = fresh.flatMap(({ definition }) => known.get(quoteName(definition)) ?? [])
  const only = fresh.map(({ definition: { schema, name } }) => ({ schema, name }))
  const canonical = await canonicalOf(authored.map(({ sql }) => sql))
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
  await writeMigrations(toMigrations(planned, frozen))
  for (const { definition, leftOut, rights } of fresh) {
    const left = leftOut.length === 0 ? '' : dim(`   stays in the database only: ${leftOut.join(', ')}`)
    const why = whyNot(rights)
    if (why === null) report.success(`${displayPart(definition.name)}${left}`)
    else report.warning(`${displayPart(definition.name)}   ${why}${left}`)
  }
}

/** Why a deploy could not work on a view; null if it can. */
function whyNot({ refresh, migrate }: ViewRights): string | null {
  const lacking = [...refresh, ...migrate].filter(({ cure }) => cure !== null).map(({ because }) => because)
  return lacking.length === 0 ? null : [...new Set(lacking)].join('; ')
}

/** What has to be run before a deploy can work on the adopted views. */
function sayMissing(rights: ViewRights[]): void {
  const hindered = rights.filter((view) => whyNot(view) !== null)
  if (hindered.length === 0) return
  for (const line of cureLines(curesOf(hindered))) report.line(line)
  report.line()
  report.line(
    `before a deploy can work on ${hindered.length === 1 ? 'the marked view' : 'the marked views'}, the SQL above has to run`,
  )
}
