import { readTouched } from '../../../src/authored/sql/touched.ts'
import type { Database } from '../../../src/server/database.ts'
import {
  type AlterEvents,
  type AlterRequest,
  alter,
  type PutBackRequest,
  putBack,
  type SetAsideRequest,
  setAside,
} from '../../../src/set-aside/set-aside.ts'

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

/** Calls `set-aside` for what reads these, with the patience of the command line. */
export const callSetAside = (database: Database, reading: string[], more: Partial<SetAsideRequest> = {}) =>
  setAside(database, { reading, requestedBy: 'test', dryRun: false, huntMs: 60_000, ...more })

/** Calls `put-back`. */
export const callPutBack = (database: Database, more: Partial<PutBackRequest> = {}) =>
  putBack(database, { given: [], forgotten: [], dryRun: false, requestedBy: 'test', ...more })
