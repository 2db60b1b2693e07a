import type { Command } from 'commander'
import { readersOf, readView, readViews } from '../../../src/api/ask.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import { output, print, short, wrap } from '../../output/terminal.ts'
import { startRun } from '../../watch/watch.ts'
import { agrees, noWait, operating, yes as yesOption } from '../asking.ts'

/**
 * Declares `create`, which creates a view from its definition and leaves one that exists as it is without `--force`; and `drop`,
 * which drops a view after somebody at the terminal has said yes. Without a terminal, `--yes` is needed.
 */
export function addTo(program: Command): void {
  operating(program, 'create')
    .argument('<view>')
    .description('create a view from its definition')
    .option('--force', 'replace the view if it exists and nothing depends on it')
    .option('--no-data', 'leave the view empty')
    .option(...noWait)
    .action(async (view, { force, data, wait, ...asking }) => {
      const body = { force, withData: data }
      await startRun(await apiOf(asking), { view, operation: 'create', body }, { wait, json: asking.json })
    })

  operating(program, 'drop')
    .argument('<view>')
    .description('drop a view, after asking')
    .option('--cascade', 'also what depends on it')
    .option(...yesOption)
    .option(...noWait)
    .action(async (view, { cascade, yes, wait, ...asking }) => {
      const api = await apiOf(asking)
      if (!yes && !(await mayDrop(api, view, cascade ?? false))) return
      await startRun(api, { view, operation: 'drop', body: { cascade } }, { wait, json: asking.json })
    })
}

const mayDrop = (api: Api, name: string, cascade: boolean): Promise<boolean> =>
  agrees(`${name} was not dropped`, async () => {
    const { view } = await readView(api, name)
    if (cascade) print(...wrap(cascadeText(readersOf(view, (await readViews(api)).views)), output().width))
    return {
      question: `Drop ${short(view)} in ${api.name}? Type its name to drop it: `,
      yes: [short(view), view],
    }
  })

const cascadeText = (readers: string[]): string =>
  readers.length === 0
    ? 'no view reads it; all else that depends on it is dropped, too'
    : `these views read it, and are dropped, too: ${readers.map(short).join(', ')}; and all else that depends on it`
