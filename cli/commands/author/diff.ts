import type { Command } from 'commander'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { type DataDiff, diffView } from '../../../src/migrate/authoring/diff.ts'
import { Problem } from '../../../src/problem.ts'
import { displayName, quoteName } from '../../../src/sql/names.ts'
import { report } from '../../../src/terminal/report.ts'
import { diffJson, diffLines, diffMarkdown } from '../../output/diff.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { readAuthored } from '../../project/authored.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { type Format, formatted, positive } from '../flags.ts'

interface DiffOptions {
  views: string[]
  all?: boolean
  seconds: number
  output?: Format
  json?: boolean
}

/** Declares `diff`. */
export function addTo(program: Command): void {
  formatted(program.command('diff'), ['json', 'markdown'])
    .argument('<view...>')
    .description('compare new data of views with those that readers see')
    .option('--all', 'compare all keys of a large view, not a sample')
    .option('--seconds <n>', 'how long one view may take at most', positive, 600)
    .addHelpText(
      'after',
      `
Executes the query in views/, or else that of the view, on DATABASE_URL as the view's
owner, and undoes everything. Up to ten rows are printed here, and recorded nowhere;
-o markdown and -o json print none.`,
    )
    .action((views, options) => diff({ views, ...options }))
}

/** Prints how new data of views differ from those that readers see. */
export async function diff({
  views,
  all = false,
  seconds,
  output: format,
  json,
}: DiffOptions): Promise<void> {
  const authored = await readAuthored()
  const database = databaseFromUrl(null)
  const found: DataDiff[] = []
  for (const written of views) {
    const view = qualified(written, 'view')
    const definition = authored.find((each) => quoteName(each) === quoteName(view)) ?? null
    found.push(await diffView(database, view, definition, { all, mostMs: seconds * 1000 }))
  }
  if (json) printJson(found.map(diffJson))
  else for (const each of found) printDiff(each, format)
}

/** Prints the same of authored views, those that are in the database. */
export async function diffAuthored(definitions: Definition[], format?: Format): Promise<void> {
  for (const definition of definitions) {
    try {
      printDiff(await diffView(databaseFromUrl(null), definition, definition), format)
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'UnknownView')) throw error
      report.line(`${displayName(definition)} is not in this database yet: there is nothing to compare with`)
    }
  }
}

const printDiff = (found: DataDiff, format?: Format): void =>
  format === 'markdown' ? print(diffMarkdown(found), '') : print(...diffLines(found, output()), '')
