import type { Command } from 'commander'
import { planRemoval } from '../../../src/own-schema/uninstall.ts'
import { inTransaction } from '../../../src/server/transactions.ts'
import { report } from '../../../src/terminal/report.ts'
import { count } from '../../../src/words/phrases.ts'
import { print } from '../../output/terminal.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { commaSeparated, yes } from '../asking.ts'

interface UninstallOptions {
  login: string[]
  giveTo?: string
  dropDependents?: true
  asViews?: true
  yes?: true
}

/** Declares `uninstall`. */
export function addTo(program: Command): void {
  program
    .command('uninstall')
    .description('print the SQL that takes Viewkeeper away from this database, or execute it')
    .option('--login <a,b>', 'the logins that were made for it', commaSeparated, [
      'viewkeeper_app',
      'viewkeeper_iam',
    ])
    .option('--give-to <role>', 'who gets the views that Viewkeeper created: no superuser')
    .option('--drop-dependents', 'also drop what others have made of schema viewkeeper')
    .option('--as-views', 'make incremental tables materialized views again')
    .option(yes[0], 'execute it')
    .addHelpText(
      'after',
      `
DATABASE_URL has to name an administrator. Your views stay, with data and grants; a view whose definition names an
owner goes to that one. Stop serve, or remove the stack, first.`,
    )
    .action((options: UninstallOptions) => uninstall(options))
}

/** Prints what takes away what was made in this database, or executes it: all or nothing. */
const uninstall = ({ login, giveTo, dropDependents, asViews, yes }: UninstallOptions): Promise<void> =>
  databaseFromUrl(null).withConnection(
    async (sql) => {
      const { statements, left } = await inTransaction(sql, async (transaction) => {
        const removal = await planRemoval(transaction, login, {
          giveTo: giveTo ?? null,
          dropDependents: dropDependents ?? false,
          asViews: asViews ?? false,
        })
        if (yes && removal.statements.length > 0) await transaction.unsafe(removal.statements.join(';\n'))
        return removal
      })
      if (statements.length === 0) return report.line('nothing of Viewkeeper is in this database')
      if (!yes) print(...statements.map((each) => `${each};`), ...left.map((each) => `-- ${each}`))
      else {
        report.success(
          `${count(statements.length, 'statement')} executed: nothing of Viewkeeper is in this database`,
        )
        for (const each of left) report.line(each)
      }
    },
    { writes: true },
  )
