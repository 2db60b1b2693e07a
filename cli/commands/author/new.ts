import type { Command } from 'commander'
import { Problem } from '../../../src/problem.ts'
import { viewArgument } from '../../../src/sql/commands.ts'
import { displayName, identifierFault, nameFault, schemaFault } from '../../../src/sql/names.ts'
import { report } from '../../../src/terminal/report.ts'
import { shownPath } from '../../project/config.ts'
import { qualified } from '../../project/names.ts'
import { writeNewViewFiles } from '../../project/write.ts'

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
  const files = (await writeNewViewFiles(view)).map(shownPath)
  report.success(`wrote ${files.join(' and ')}`)
  report.line(`next: write the query, then npx viewkeeper freeze ${viewArgument(view)} -m "why"`)
}
