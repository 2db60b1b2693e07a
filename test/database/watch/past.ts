import { beforeAll, beforeEach, vi } from 'vitest'
import { useDatabase } from '../../support/servers/database.ts'

interface PastRun {
  view: string
  status?: string
  /** How long ago it was requested, as an interval of SQL. */
  ago: string
  durationMs?: number
  operation?: string
  batchId?: string | null
  /** By default true for everything but a drop. */
  fills?: boolean
}

/** A database with the views `steady`, `shaky`, `quiet` and `fresh`, whose runs a test writes. */
export function useHistory() {
  const { url, database, sql } = useDatabase()

  beforeAll(async () => {
    for (const name of ['steady', 'shaky', 'quiet', 'fresh']) {
      await sql.unsafe(`create materialized view ${name} as select 1 as id`)
      await sql`insert into viewkeeper.definitions (schema_name, name, source) values ('public', ${name}, 'discovered')`
    }
  })

  return {
    url,
    database,
    sql,
    clear: () => sql`truncate viewkeeper.runs, viewkeeper.batches cascade`,

    /** Writes runs that ended in the past, oldest first, as history would hold them. */
    async writePast(runs: PastRun[]): Promise<void> {
      await sql`
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, requested_at, started_at,
                                   finished_at, duration_ms, error, batch_id, fills, as_of, filled)
      select d.id, d.schema_name, d.name, coalesce(p.operation, 'refresh'), coalesce(p.status, 'success'), 'schedule', t.at, t.at,
             t.at + make_interval(secs => coalesce(p."durationMs", 1000) / 1000.0), coalesce(p."durationMs", 1000),
             case when p.status in ('failed', 'canceled') then '{"class":"ViewSqlFailed","message":"broken"}'::jsonb end, p."batchId",
             coalesce(p.fills, p.operation is distinct from 'drop'),
             case when p.status is null then t.at + make_interval(secs => coalesce(p."durationMs", 1000) / 1000.0) end, viewkeeper.filling(to_regclass(format('%I.%I', d.schema_name, d.name)))
        from jsonb_to_recordset(${sql.json(runs as never)})
               as p(view text, status text, ago interval, "durationMs" bigint, operation text, "batchId" text, fills boolean)
        join viewkeeper.definitions d on d.name = p.view
       cross join lateral (select clock_timestamp() - p.ago as at) t
       order by t.at`
    },

    /** As if the views had been expected to be fresh for a year: otherwise the expectation begins only now. */
    async expectForLong(...names: string[]): Promise<void> {
      for (const name of names)
        await sql`update viewkeeper.definitions set expected_since = now() - interval '1 year' where name = ${name}`
    },
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
