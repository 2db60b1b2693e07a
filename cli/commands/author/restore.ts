import type { Command } from 'commander'
import { report } from '../../../src/terminal/report.ts'
import { restore as bringBack } from '../../../src/watch/restore.ts'
import { command } from '../../../src/words/commands.ts'
import { displayName, printed } from '../../../src/words/names.ts'
import { count } from '../../../src/words/phrases.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { yes } from '../asking.ts'

/** Declares `restore`. */
export function addTo(program: Command): void {
  program
    .command('restore')
    .argument('<view>', 'a view that another tool has dropped and made again')
    .description('bring back the indexes, comments, grants and views that a view has lost')
    .option(yes[0], 'do it; without it, only say what would come back')
    .action((view, options) => restore(view, options))
}

/** Brings back what a view has lost, each thing as its owner, or says what would come back. If something stays lost, the exit code is 1. */
async function restore(view: string, { yes = false }: { yes?: boolean }): Promise<void> {
  const name = qualified(view, 'view')
  const restored = await bringBack(databaseFromUrl(null), name, !yes)
  if (restored.length === 0) return report.line(`${displayName(name)} has lost nothing that is known`)
  for (const { what, name, because } of restored) {
    const line = what === 'view' ? `view ${printed(name)}` : `${what} on ${printed(name)}`
    if (because !== null) report.warning(`${line}: ${because}`)
    else if (yes) report.success(line)
    else report.line(line)
  }
  const left = restored.filter(({ because }) => because !== null).length
  if (left > 0) process.exitCode = 1
  if (!yes)
    report.line(
      `nothing was changed; ${count(restored.length - left, 'thing comes', 'things come')} back with: npx ${command(['restore', displayName(name), '--yes'], null)}`,
    )
}
