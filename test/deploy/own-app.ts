import assert from 'node:assert/strict'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import type { Deployed } from './support/deployed.ts'
import { createProject } from './support/project.ts'
import { stage } from './support/transcript.ts'
import { yearlySales } from './support/yearly-sales.ts'

const tenants = ['tenant-a', 'tenant-b']
const policyOf = (tenant: string) => `arn:aws:iam::000000000000:policy/viewkeeper-${tenant}-refresh`

/** An app of somebody else's deploys two servers of its own with Viewkeeper beside each, and one of its views is refreshed. */
export async function deployOwnApp(deployed: Deployed): Promise<void> {
  const { folder, emulator, database, sql, aws, cdk } = deployed
  const urlOf = (tenant: string) => new URL(tenant.replaceAll('-', '_'), database.url).href
  for (const tenant of tenants) await createTables(sql, tenant, urlOf(tenant))
  const projectOf = (tenant: string) =>
    createProject(join(folder, tenant), { url: urlOf(tenant), emulator, environment: tenant })
  const projects = tenants.map(projectOf)
  const [project, other] = projects as [(typeof projects)[0], (typeof projects)[0]]
  project.author('yearly_sales.ts', yearlySales('sum(amount) as amount'))
  await project.freeze('-m', 'One definition for all tenants')
  const { username, password } = new URL(database.url)
  const adminSecret = await aws.createSecret('own-admin', JSON.stringify({ username, password }))
  const { port, authority } = database
  const server = { host: 'localhost', port, authority, adminSecret }

  await stage('cdk deploy of an app with two servers of its own', async () => {
    const { migrationsFolder } = project
    const { code, output } = await cdk.deployOwn({ tenants, migrationsFolder, server })
    assert.equal(code, 0, output.trimEnd().split('\n').slice(-40).join('\n'))
    assert.equal((await aws.describeStack('shop'))?.status, 'CREATE_COMPLETE')
  })
  const runsOf = (tenant: string) =>
    on(urlOf(tenant), async (own) => {
      const rows = await own`
        select trigger from viewkeeper.runs where view_name = 'yearly_sales' and status = 'success' order by id`
      return rows.map(({ trigger }) => trigger)
    })
  await stage('… brings the view into both databases, each by a role of its own', async () => {
    for (const tenant of tenants) assert.deepEqual(await runsOf(tenant), ['deploy'])
    const roles = await sql`select rolname from pg_roles where rolname ~ '^viewkeeper_app_tenant' order by 1`
    assert.deepEqual(
      roles.map(({ rolname }) => rolname),
      ['viewkeeper_app_tenant_a', 'viewkeeper_app_tenant_b'],
    )
  })
  const refresher = await aws.createUser('refresher-of-a', policyOf('tenant-a'))
  await stage('viewkeeper refresh --env refreshes the view of one of them', async () => {
    const { code, output } = await project.command(refresher, 'refresh', 'reports.yearly_sales')
    assert.equal(code, 0, output)
    assert.deepEqual(await runsOf('tenant-a'), ['deploy', 'http'])
    assert.deepEqual(await runsOf('tenant-b'), ['deploy'])
  })
  await stage('… and who may refresh one tenant does not find the other', async () => {
    const { code, output } = await other.command(refresher, 'refresh', 'reports.yearly_sales')
    assert.equal(code, 3, output)
    assert.match(output, /may not read parameter \/viewkeeper\/tenant-b/)
    assert.deepEqual(await runsOf('tenant-b'), ['deploy'])
  })
}

/** A database of a tenant, with what the view reads. */
async function createTables(sql: Sql, tenant: string, url: string): Promise<void> {
  await sql.unsafe(`create database ${tenant.replaceAll('-', '_')}`)
  await on(url, (own) =>
    own.unsafe(`
      create table public.sale (day date not null, amount numeric not null);
      insert into public.sale values ('2026-01-01', 1);
      create schema reports;
      grant usage, create on schema reports to viewkeeper_views;
      grant select on public.sale to viewkeeper_views;`),
  )
}

async function on<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end()
  }
}
