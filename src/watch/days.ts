import type { Database } from '../server/connect.ts'
import { readDays, type ViewDays } from './db/days.ts'

/** How the runs of each view ended on each of the last days, today among them. */
export const getDays = (database: Database, days: number): Promise<ViewDays[]> =>
  database.withConnection((sql) => readDays(sql, days))
