import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBatch } from '../../../src/batch/start.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep } from '../../support/deep.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// The command line in a new project, on a database whose views belong to the application's role.

const { sql, url, as } = useDatabase({ migrated: false })
const suffix = url.slice(-8)
const [master, keeper, boss, reader] = ['master', 'keeper', 'boss', 'reader'].map(
  (name) => `${name}_${suffix}`,
) as [string, string, string, string]
const root = fileURLToPath(new URL('../../../', import.meta.url))
let folder: string
let projects = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'viewkeeper-adopting-'))
  await sql.unsafe(`
    create role ${master} login createrole password 'secret';
    alter database ${new URL(url).pathname.slice(1)} owner to ${master}`)
  await as(master).database.withConnection((admin) =>
    admin.unsafe(`
      create role ${boss}; create role ${keeper} login password 'secret'; create role ${reader} login password 'secret';
      grant create on database ${new URL(url).pathname.slice(1)} to ${keeper}`),
  )
  await migrate(as(keeper).database, schemaFolder)
  await sql.unsafe(`
    create schema data_portal authorization ${boss}; set role ${boss};
    create table data_portal.base as select i as id, i % 3 as kind from generate_series(1, 9) i;
    create materialized view data_portal.mv_sales as select id, kind in (1, 2) as odd from data_portal.base;
    create unique index mv_sales_key on data_portal.mv_sales (id);
    create index mv_sales_odd on data_portal.mv_sales (lower(odd::text)) where id > 3;
    comment on materialized view data_portal.mv_sales is 'Sales';
    grant select on data_portal.mv_sales to ${reader};
    grant usage on schema data_portal to ${keeper}, ${reader}; reset role`)
})

afterAll(() => rm(folder, { recursive: true }))

/** A project of its own, and the command line in it. */
async function project() {
  const path = join(folder, String(++projects))
  await mkdir(join(path, 'views'), { recursive: true })
  await mkdir(join(path, 'migrations'))
  await mkdir(join(path, 'node_modules'))
  await symlink(root, join(path, 'node_modules/viewkeeper'))
  await writeFile(join(path, 'package.json'), '{"type":"module"}')
  return async (user: string, ...args: string[]) => {
    const env = { PATH: process.env.PATH, DATABASE_URL: as(user).url, NO_COLOR: '1' }
    const done = promisify(execFile)(process.execPath, [join(root, 'cli/viewkeeper.js'), ...args], {
      cwd: path,
      env,
    })
    const { stdout, stderr, code } = await done.then(
      (out) => ({ ...out, code: 0 }),
      (failed) => failed as { stdout: string; stderr: string; code: number },
    )
    return { code, said: stdout + stderr }
  }
}

test('adopt marks a view that Viewkeeper may not act on, with the SQL that is missing and who can run it', async () => {
  const run = await project()
  const before = await wholeCatalog(sql)
  const { code, said } = await run(keeper, 'adopt', 'data_portal.mv_sales', '-m', 'ours now')
  expect(said).toContain(`! data_portal.mv_sales   ${keeper} may not act as its owner, ${boss}`)
  expect(said).not.toContain('✓ data_portal.mv_sales')
  expect(said).toMatch(
    new RegExp(
      `(${master}|a role with createrole) or a superuser has to run:\\n +grant ${boss} to ${keeper}`,
    ),
  )
  expect(code).toBe(0)
  expect(await wholeCatalog(sql)).toEqual(before)
})

test(
  'a login that only reads adopts and checks: both say what Viewkeeper lacks, and the check is clean',
  deep,
  async () => {
    const run = await project()
    const before = await wholeCatalog(sql)
    expect(await run(reader, 'adopt', '--all', '-m', 'ours now')).toMatchObject({
      code: 0,
      said: expect.stringContaining('1 view adopted'),
    })
    expect(await run(reader, 'drift')).toEqual({
      code: 0,
      said: expect.stringMatching(/✓ 1 view: .* are the same\n.*this login may not read/),
    })
    expect(await wholeCatalog(sql)).toEqual(before)
  },
)

test('a check by a login that only reads sees another query, and what hangs on it', deep, async () => {
  const run = await project()
  const made = "create materialized view data_portal.mv_other as select 1 as id, 'x' as word"
  await sql.unsafe(`set role ${boss}; ${made}; reset role`)
  await run(reader, 'adopt', 'data_portal.mv_other', '-m', 'ours now')
  await sql.unsafe(`
    set role ${boss}; drop materialized view data_portal.mv_other;
    create materialized view data_portal.mv_other as select 2 as id, 'x' as word; create index odd_index on data_portal.mv_other (id);
    comment on materialized view data_portal.mv_other is 'changed'; grant select on data_portal.mv_other to public; reset role`)
  const { code, said } = await run(reader, 'drift', '--ignore-unmanaged')
  expect(code).toBe(1)
  expect(said).toContain('its query is not the frozen one')
  expect(said).toContain('it has index odd_index, which is not frozen')
  expect(said).toContain('its comment is "changed"')
  expect(said).toContain('select to public is granted, which is not frozen')
  await sql`drop materialized view data_portal.mv_other`
})

test('an unknown view is refused with the view of that name in another schema, or a similar name', async () => {
  const run = await project()
  const { database } = as(keeper)
  for (const refusal of [
    () => refresh({ view: 'data_portal.mv_sale' }, callOn(database)),
    () => startBatch({ views: ['public.mv_slaes'] }, callOn(database)),
  ])
    expect((await refusalOf(refusal())).message).toMatch(/Did you mean data_portal\.mv_sales\?$/)
  // The only view of that name is the one that is meant.
  expect(await refresh({ view: 'mv_sales' }, callOn(database))).toMatchObject({
    view: 'data_portal.mv_sales',
  })
  expect((await refusalOf(refresh({ view: 'nothing_like_it' }, callOn(database)))).message).toMatch(
    /this database\.$/,
  )
  const suggested = 'Did you mean data_portal.mv_sales?'
  expect((await run(reader, 'adopt', 'mv_sales', '-m', 'x')).said).toContain(suggested)
  await run(reader, 'adopt', '--all', '-m', 'ours now')
  expect((await run(reader, 'freeze', 'mv_sales', '-m', 'x')).said).toContain(suggested)
})
