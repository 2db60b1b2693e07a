import { makeData } from './support/data.ts'
import { measure, refreshWhole } from './support/measure.ts'
import { inRounds } from './support/rounds.ts'
import { withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

const three = { notNull: ['id', 'customer', 'amount'], unique: [['id']], rows: { atLeast: 1_000_000 } }

/** Measures what checks add to a swap of a big view. */
export const measureChecks = (): Promise<Row[]> =>
  withServer(async (server) => {
    await makeData(server.sql)
    console.error('bench: swaps of 2,500,000 rows with and without checks, about a minute')
    const { sql } = server
    await refreshWhole(server, { view: 'bench.big', strategy: 'swap' }) // the record has a definition from here on
    const swap = (checks: object) => async () => {
      await sql`update viewkeeper.definitions set checks = ${sql.json(checks as never)} where name = 'big'`
      await sql`checkpoint`
      return measure(sql, () => refreshWhole(server, { view: 'bench.big', strategy: 'swap' }))
    }
    const { without, checked } = await inRounds(
      { without: swap({}), checked: swap(three) },
      { rounds: 5, warmUp: 1 },
    )
    return [
      { title: `PostgreSQL ${server.version}: a swap of 2,500,000 rows` },
      compare('without checks', without),
      compare('notNull of three columns, unique, rows', checked, { to: without }),
    ]
  })
