import type { Command } from 'commander'
import { fileNameOf, identifierFault, nameFault, schemaFault } from '../../../src/sql/new-names.ts'
import { report } from '../../../src/terminal/report.ts'
import { viewArgument } from '../../../src/words/commands.ts'
import { displayName, type QualifiedName } from '../../../src/words/names.ts'
import { Problem } from '../../../src/words/problem.ts'
import { fileBase, isStated, literal, shownPath, writeAll } from '../../project/folders.ts'
import { qualified } from '../../project/names.ts'

/** Declares `new`. */
export function addTo(program: Command): void {
  program
    .command('new')
    .argument('<view>')
    .description('write the files of a new view, to be filled in')
    .action((view) => newView({ view }))
}

/**
 * Writes the files of a new view into the folder of views, to be filled in. Refuses names that cannot be authored, and to
 * replace a file.
 */
export async function newView({ view: text }: { view: string }): Promise<void> {
  const view = qualified(text, 'view')
  const fault =
    [view.schema, view.name].map(identifierFault).find((each) => each !== null) ??
    schemaFault(view.schema) ??
    nameFault(view.name)
  if (fault !== null)
    throw new Problem('InvalidName', `view: ${displayName(view)} ${fault}.`, { field: 'view' })
  const files = (await writeFiles(view)).map(shownPath)
  report.success(`wrote ${files.join(' and ')}`)
  report.line(`next: write the query, then npx viewkeeper freeze ${viewArgument(view)} -m "why"`)
}

const writeFiles = (view: QualifiedName): Promise<URL[]> =>
  writeAll([
    { file: `${fileBase(view)}.sql`, text: newQuery },
    { file: `${fileBase(view)}.ts`, text: newModule(view) },
  ])

const example = 'select 1 as id'

const newQuery = `-- The query of the view, without a semicolon. Name every table with its schema.
${example}
`

/** The module of a new view: what most views need, and as comments what many need. */
const newModule = ({ schema, name }: QualifiedName): string => `import { defineView } from 'viewkeeper'
import query from './${fileNameOf(name)}.sql'

export default defineView({
${isStated(schema, name) ? `  schema: ${literal(schema)},\n` : ''}  name: ${literal(name)},
  query,
  uniqueKey: ['id'], // becomes a unique index
  maxStalenessSeconds: 26 * 60 * 60, // older data are an alarm
  // schedule: '0 6 * * *', // besides the nightly refresh of every view
  // timeZone: 'Europe/Berlin',
  // comment: 'what one row is',
  // grants: [{ privileges: ['select'], to: 'reporting' }],
})
`

/** Whether a query is the one that `new` writes. */
export const isUntouched = (sql: string): boolean =>
  sql
    .replace(/^\s*--.*$/gm, '')
    .trim()
    .replace(/;$/, '')
    .toLowerCase() === example
