import { beforeAll, beforeEach, vi } from 'vitest'
import { type PastRun, writePast } from '../../support/record/past.ts'
import { emptyTables, insertRow, updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

/** A database with the views `steady`, `shaky`, `quiet` and `fresh`, whose runs a test writes. */
export function useHistory() {
  const { url, database, sql } = useDatabase()

  beforeAll(async () => {
    for (const name of ['steady', 'shaky', 'quiet', 'fresh']) {
      await sql.unsafe(`create materialized view ${name} as select 1 as id`)
      await insertRow(sql, 'definitions', { view: name })
    }
  })

  return {
    url,
    database,
    sql,
    clear: () => emptyTables(sql, 'runs', 'batches'),

    writePast: (runs: PastRun[]) => writePast(sql, runs),

    /** As if the views had been expected to be fresh for a year: otherwise the expectation begins only now. */
    expectForLong: (...names: string[]) =>
      updateRows(sql, 'definitions', { name: names }, { expectedSince: sql`now() - interval '1 year'` }),
  }
}

/** What a handler writes while a test runs, in the environment of a function on this database. */
export function usePublished(url: string) {
  const lines: Record<string, unknown>[] = []
  beforeEach(() => {
    process.env.DATABASE_URL = url
    lines.length = 0
    for (const stream of ['log', 'info', 'warn', 'error'] as const) {
      vi.spyOn(console, stream).mockImplementation((line: string) => {
        lines.push(JSON.parse(line))
      })
    }
    return () => {
      vi.restoreAllMocks()
      delete process.env.DATABASE_URL
      process.env.SCHEDULES = 'false'
      delete process.env.METRICS_PER_VIEW
    }
  })
  return {
    lines,
    /** The values of a metric that were published: an EMF line is one JSON object with the values beside their names. */
    published: (name: string) =>
      lines.filter((line) => '_aws' in line && name in line).map((line) => line[name] as number),
  }
}
