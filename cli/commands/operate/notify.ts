import type { Command } from 'commander'
import { channelsOf, tryChannels } from '../../../serve/news/channels.ts'
import { checkOptions } from '../../../serve/start/options.ts'
import { Problem } from '../../../src/problem.ts'
import { paint } from '../../../src/terminal/report.ts'
import { print, printJson } from '../../output/terminal.ts'
import { harmless } from '../../output/width.ts'
import { readConfig } from '../../project/config.ts'

/** Declares `notify`. */
export function addTo(program: Command): void {
  program
    .command('notify')
    .description('send a message through every channel of `serve`, and say what each answered')
    .requiredOption('--test', 'nothing is wrong, and the message says so')
    .option('--json', 'print JSON, for programs')
    .action(async ({ json }: { json?: true }) => {
      const { file, serve } = await readConfig()
      const { options, notify } = checkOptions(serve, file ?? 'viewkeeper.config.ts')
      const channels = await channelsOf(notify, options.alarmEmails ?? [])
      if (channels.length === 0)
        throw new Problem(
          'InvalidRequest',
          'nobody is told: serve has no channel. Name addresses in alarmEmails and a server in notify.smtp, or a chat or webhook in notify.',
          { field: 'serve.notify' },
        )
      const { VIEWKEEPER_ENVIRONMENT: named } = process.env
      const tried = await tryChannels(channels, named || (options.environment ?? 'local'))
      if (json) printJson(tried)
      else
        print(
          ...tried.map(({ channel, refused }) =>
            refused === null
              ? `${paint('green', '✓')} ${channel}`
              : `${paint('red', '✗')} ${channel}: ${harmless(refused)}`,
          ),
        )
      if (tried.some(({ refused }) => refused !== null)) process.exitCode = 1
    })
}
