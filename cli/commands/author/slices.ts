import type { Command } from 'commander'
import { readView } from '../../../src/catalog/db/catalog.ts'
import { planLog, readLogged } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { displayName } from '../../../src/sql/names.ts'
import { print } from '../../output/terminal.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl } from '../../target/direct.ts'

interface SlicesOptions {
  by?: string
  drop?: boolean
}

/** Declares `slices`. */
export function addTo(program: Command): void {
  program
    .command('slices')
    .argument('<view>')
    .description('print the SQL of a log of changes, by which refreshes compute only what changed')
    .option('--by <column>', 'the column whose values are the slices, if there are several')
    .option('--drop', 'print the SQL that drops the log, with its triggers')
    .addHelpText(
      'after',
      '\nReads the catalog on DATABASE_URL, and changes nothing. Put the SQL into a migration. It\nwaits until it can lock all tables within 100 ms, and names who keeps it from that.',
    )
    .action((view: string, options) => slices(view, options))
}

/** Prints the statements that make or drop the log of a view. */
async function slices(view: string, { by, drop = false }: SlicesOptions): Promise<void> {
  const { of, words, statements } = await databaseFromUrl(null).withConnection(async (sql) => {
    const of = qualified(view, 'view')
    // A view that is gone leaves its log.
    const facts = drop && (await readLogged(sql, of)) !== null ? null : await readView(sql, of)
    if (drop || facts === null) return { of, words: 'no log of changes', statements: [dropLog(of)] }
    const log = await planLog(sql, facts, by)
    return { of, words: `a log of changes, by slices of ${log.by}`, statements: makeLog(log) }
  })
  print(`-- ${displayName(of)} has ${words}.`, 'begin;', ...statements.map((each) => `${each};`), 'commit;')
}
