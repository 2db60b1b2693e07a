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
    .option('--allow-superuser', 'log in although the login is a superuser')
    .action(async ({ host, allowSuperuser = false }) => {
      const { file, folders, serve: said } = await readConfig()
      const checked = checkOptions(said, file ?? 'viewkeeper.config.ts')
      const extras = await extrasOf(checked)
      await serve({ migrations: folders.migrations, options: checked.options, host, allowSuperuser, extras })
    })
}
