import { readTouched } from '../../../src/authored/sql/touched.ts'
import type { Database } from '../../../src/server/database.ts'
import { type AlterEvents, type AlterRequest, alter } from '../../../src/set-aside/alter.ts'

/** Calls `alter` as the command line does, with the events in order. */
export async function callAlter(
  database: Database,
  text: string,
  more: Partial<AlterRequest> & { events?: Partial<AlterEvents> } = {},
) {
  const { events, ...request } = more
  return alter(
    database,
    {
      file: 'change.sql',
      text,
      touched: await readTouched('change.sql', text),
      reading: [],
      given: [],
      dryRun: false,
      requestedBy: 'test',
      huntMs: 60_000,
      ...request,
    },
    { onPlan: () => {}, onWait: () => {}, onTried: () => {}, onFill: () => {}, ...events },
  )
}
