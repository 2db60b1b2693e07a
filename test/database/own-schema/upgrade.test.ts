import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { migrate, readSchemaSteps } from '../../../src/own-schema/apply.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { namedCatalog } from '../../support/catalog/named-catalog.ts'
import { eachCase } from '../../support/deep.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'

// Each schema that a version has made becomes the newest one: the steps up to it are applied, the record gets rows, the other
// steps follow.

const steps = await readSchemaSteps(schemaFolder)
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'viewkeeper-upgrade-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Rows as the first version writes them, by table. */
const rows: Record<string, string> = {
  definitions: `(schema_name, name, sql, schedule, time_zone, source) values ('public', 'kept', 'select 1 as id', '0 3 * * *', 'UTC', 'authored')`,
  batches: `(id, trigger, selection, status, finished_at) values ('ended', 'schedule', '{"all": true}', 'success', now()), ('open', 'http', '[]', 'running', null)`,
  batch_views: `(batch_id, definition_id, position, schema_name, view_name, estimate_ms, remaining_ms) select 'open', id, 1, 'public', 'kept', 1, 1 from viewkeeper.definitions`,
  batch_groups: `(batch_id, number, members, shadow_bytes, facts) values ('open', 1, '{1}', 1, '{}')`,
  runs: `(schema_name, view_name, operation, status, trigger, finished_at, error, as_of) values
    ('public', 'kept', 'refresh', 'success', 'http', now(), null, now()),
    ('public', 'kept', 'refresh', 'failed', 'schedule', now(), '{}', null),
    ('public', 'kept', 'refresh', 'pending', 'cli', null, null, null)`,
  switches: `(key, value) values ('paused', '{}')`,
  actions: `(action, requested_by) values ('pause', 'somebody')`,
  migrations: `(number, name, checksum) values (1, '001_kept', 'x')`,
  set_aside: `(act, position, kind, name, item, reading) values (1, 1, 'view', 'public.aside', '{}', '{public.base}')`,
  events: `(type, subject, at, detail) values ('ViewRefreshed', 'public.kept', now(), '{}')`,
  last_ends: `(definition_id, kind, id) select id, 'run', 1 from viewkeeper.definitions`,
  incidents: `(subject, kinds, opened_at, changed_at, culprit, cause) values ('public.kept', '{stale}', now(), now(), 'public.kept', '{}')`,
  parts: `(name, oid, kind, items, reads) values ('public.kept', 1, 'm', '[]', '{}')`,
  tokens: `(id, name, may, digest, created_by) values ('0123456789abcdef', 'kept', 'read', sha256('x'), 'somebody')`,
  deliveries: `(channel, key, message) values ('mail', 'kept', '{}')`,
}

describe('an upgrade', () => {
  const { database, sql } = useDatabase()

  /** What the catalog says, without the numbers that the server puts into the names of the triggers of foreign keys. */
  const catalog = async (): Promise<Record<string, string[]>> => {
    const { rows: found } = await namedCatalog(sql)
    const unnumbered = (row: string) => row.replaceAll(/(RI_ConstraintTrigger_[ac])_\d+/g, '$1')
    return Object.fromEntries(Object.entries(found).map(([name, all]) => [name, all.map(unnumbered).sort()]))
  }

  /** All rows of the record, by table. */
  const record = async (): Promise<Record<string, object[]>> => {
    const tables = await sql<{ name: string }[]>`
      select tablename as name from pg_tables where schemaname = 'viewkeeper' and tablename <> 'schema_steps' order by 1`
    const all: Record<string, object[]> = {}
    for (const { name } of tables) all[name] = await sql`select * from viewkeeper.${sql(name)} order by 1, 2`
    return all
  }

  let fresh: Record<string, string[]>
  beforeAll(async () => {
    await sql`create materialized view kept as select 1 as id`
    fresh = await catalog()
    expect(Object.keys(await record())).toEqual(Object.keys(rows).sort())
  })

  // The newest first: `npm test` has that one.
  eachCase(steps.toReversed(), { quick: 1 })(
    'from $name gives the newest schema, and loses no row',
    async ({ number }) => {
      const older = join(folder, String(number))
      for (const { name } of steps.slice(0, number))
        await cp(new URL(`${name}.sql`, schemaFolder), join(older, `${name}.sql`))
      await sql`drop schema viewkeeper cascade`
      await migrate(database, pathToFileURL(`${older}/`))
      const there = new Set(Object.keys(await record()))
      for (const [table, row] of Object.entries(rows))
        if (there.has(table)) await sql.unsafe(`insert into viewkeeper.${table} ${row}`)
      const before = await record()
      const { applied } = await migrate(database, schemaFolder)
      expect(applied).toEqual(steps.slice(number).map(({ name }) => name))
      expect(await catalog()).toEqual(fresh)
      const after = await record()
      for (const [table, found] of Object.entries(before))
        for (const row of found) expect(after[table]).toContainEqual(expect.objectContaining(row))
      expect(await refresh({ view: 'kept' }, callOn(database))).toMatchObject({ status: 'updated' })
    },
  )
})
