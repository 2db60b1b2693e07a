import type { Command } from 'commander'
import { extrasOf } from '../../../serve/start/extras.ts'
import { checkOptions } from '../../../serve/start/options.ts'
import { serve } from '../../../serve/start/serve.ts'
import { readConfig } from '../../project/config.ts'

/** Declares `serve`. */
export function addTo(program: Command): void {
  program
    .command('serve')
    .description('keep the views of DATABASE_URL fresh, and serve API and page: one of any number of copies')
    .option('--host <address>', 'where to listen; beyond this machine, requests need tokens', '127.0.0.1')
    .option('--require-tokens', 'requests from this machine need tokens, too: for a server behind a proxy')
    .option('--allow-superuser', 'log in although the login is a superuser')
    .action(async ({ host, requireTokens = false, allowSuperuser = false }) => {
      const { file, folders, serve: written } = await readConfig()
      const { VIEWKEEPER_ENVIRONMENT: environment } = process.env
      const said = environment ? { ...written, environment } : written
      const checked = checkOptions(said, file ?? 'viewkeeper.config.ts')
      const extras = await extrasOf(checked)
      const { migrations } = folders
      await serve({ migrations, options: checked.options, host, requireTokens, allowSuperuser, extras })
    })
}
