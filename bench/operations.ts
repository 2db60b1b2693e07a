import { measureOverhead } from './overhead.ts'
import { measureStrategies } from './strategies.ts'
import { makeData } from './support/data.ts'
import { withServer } from './support/server.ts'
import type { Row } from './support/table.ts'

/** Measures refreshes: what the record costs, and what the strategies cost the run and the readers. */
export const measureOperations = (): Promise<Row[]> =>
  withServer(async (server) => {
    console.error('bench: making the data, a quarter of a minute')
    await makeData(server.sql)
    return [
      { title: `PostgreSQL ${server.version}` },
      ...(await measureOverhead(server)),
      ...(await measureStrategies(server)),
    ]
  })
