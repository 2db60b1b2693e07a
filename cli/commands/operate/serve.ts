import type { Command } from 'commander'
import { channelsOf, tryChannels } from '../../../serve/news/channels.ts'
import { isPortFree, LocalProblem } from '../../../serve/process.ts'
import { checkOptions, serve, servedPort } from '../../../serve/start/serve.ts'
import { paint } from '../../../src/terminal/report.ts'
import { Problem } from '../../../src/words/problem.ts'
import { harmless, print, printJson } from '../../output/terminal.ts'
import { readConfig } from '../../project/folders.ts'

/** Declares `notify`, which tries the channels of `serve`, and `serve`. */
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

  program
    .command('serve')
    .description('keep the views of DATABASE_URL fresh, and serve API and page: one of any number of copies')
    .option('--host <address>', 'where to listen; beyond this machine, requests need tokens', '127.0.0.1')
    .option('--require-tokens', 'requests from this machine need tokens, too: for a server behind a proxy')
    .option('--allow-superuser', 'log in although the login is a superuser')
    .action(async ({ host, requireTokens = false, allowSuperuser = false }) => {
      const port = servedPort(process.env)
      // Before the configuration is loaded and the database asked. What else keeps us from the port is said when we listen.
      if (!(await isPortFree(port, host)))
        throw new LocalProblem(
          `port ${port} of ${host} is taken, or not for this user: set PORT to another one`,
        )
      const { file, folders, serve: written } = await readConfig()
      const { VIEWKEEPER_ENVIRONMENT: environment } = process.env
      const said = { ...written, ...optionsIn(process.env), ...(environment && { environment }) }
      const checked = checkOptions(said, file ?? 'viewkeeper.config.ts')
      const { migrations } = folders
      await serve({ migrations, ...checked, host, requireTokens, allowSuperuser })
    })
}

/** The options of VIEWKEEPER_OPTIONS: an image needs no configuration. */
function optionsIn({ VIEWKEEPER_OPTIONS: text }: NodeJS.ProcessEnv): object {
  if (!text) return {}
  try {
    return Object(JSON.parse(text))
  } catch (error) {
    throw new LocalProblem(
      `VIEWKEEPER_OPTIONS is no JSON: ${(error as Error).message}. Write {"batchConcurrency": 4}`,
    )
  }
}
