import { type Command, Option } from 'commander'
import { diffView } from '../../../src/migrate/authoring/diff.ts'
import { Problem } from '../../../src/problem.ts'
import { displayName, type QualifiedName, quoteName } from '../../../src/sql/names.ts'
import { report } from '../../../src/terminal/report.ts'
import { diffLines, diffMarkdown } from '../../output/diff.ts'
import { output, print } from '../../output/terminal.ts'
import { readAuthored } from '../../project/authored.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { positive } from '../flags.ts'

interface DiffOptions {
  all?: boolean
  seconds?: number
  markdown?: boolean
}

/** Declares `diff`. */
export function addTo(program: Command): void {
  program
    .command('diff')
    .argument('<view...>')
    .description('compare new data of views with those that readers see')
    .option('--all', 'compare all keys of a large view, not a sample')
    .option('--seconds <n>', 'how long one view may take at most', positive, 600)
    .option('--markdown', 'print a table for a pull request, without rows')
    .addHelpText(
      'after',
      '\nExecutes the query in views/, or else that of the view, on DATABASE_URL, and undoes\neverything. Up to ten rows are printed here, and recorded nowhere.',
    )
    .action((views, options) =>
      diff(
        views.map((view: string) => qualified(view, 'view')),
        options,
      ),
    )
}

/** The option of commands that find changed views, and show their differences, too. */
export const diffOption = (): Option =>
  new Option('--diff [format]', 'show how the data of changed views will differ, also as markdown').choices([
    'markdown',
  ])

/** Prints how new data of views differ from those that readers see. With `skips`, a view that is not there is no failure. */
export async function diff(
  views: QualifiedName[],
  { all = false, seconds = 600, markdown = false }: DiffOptions,
  skips = false,
): Promise<void> {
  const authored = new Map((await readAuthored()).map((each) => [quoteName(each), each]))
  for (const view of views) {
    try {
      const definition = authored.get(quoteName(view)) ?? null
      const found = await diffView(databaseFromUrl(null), view, definition, { all, mostMs: seconds * 1000 })
      print(...(markdown ? diffMarkdown(found) : diffLines(found, output())), '')
    } catch (error) {
      if (!skips || !(error instanceof Problem && error.code === 'UnknownView')) throw error
      report.line(`${displayName(view)} is not in this database yet: there is nothing to compare with`)
    }
  }
}
