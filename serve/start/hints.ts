import { type CommandTarget, command } from '../../src/sql/commands.ts'
import { dim, report } from '../../src/terminal/report.ts'
import type { ListedView } from '../../src/watch/read.ts'
import type { LocalProject } from './project.ts'

interface Hints extends Pick<LocalProject, 'example' | 'addressCommand'> {
  isEmbedded: boolean
  /** What commands have to name. */
  typed: CommandTarget
}

/** Prints the addresses, and commands to copy that name an existing view. */
export function printHints(
  api: string,
  views: Pick<ListedView, 'view' | 'schema' | 'name'>[],
  { example, addressCommand, isEmbedded, typed }: Hints,
): void {
  const view = views.find(({ name }) => name === example) ?? views[0]
  const type = (...words: string[]) => `npx ${command(words, typed)}`
  report.line()
  report.line(`page  ${api}/`)
  report.line(`api   ${api}`)
  if (isEmbedded) report.line(`sql   ${addressCommand}   ${dim('# its address, for psql and DATABASE_URL')}`)
  report.line()
  if (!view) {
    report.line('There is no materialized view yet. After you have made one, list it with:')
    report.line()
    report.line(`try   ${type('ls')}`)
  } else {
    const name = view.schema === 'public' ? view.name : view.view
    report.line(`try   ${type('refresh', name)}`)
    report.line(`      ${type('why', name)}`)
    report.line(`      ${type('ls')}`)
    report.line(`      ${type('refresh', '--all')}   ${dim('# every view, in dependency order')}`)
  }
  report.line()
  report.line(dim('Ctrl-C stops everything'))
}
