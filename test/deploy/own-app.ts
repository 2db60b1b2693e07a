import assert from 'node:assert/strict'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { metricDimensions, metricNames, metricNamespace } from '../../src/api/lambda/aws-names.ts'
import type { Deployed } from './support/deployed.ts'
import { startGate } from './support/emulator/gate.ts'
import { createProject } from './support/project/project.ts'
import { yearlySales } from './support/project/yearly-sales.ts'
import { poll, stage } from './support/transcript.ts'

const tenants = ['tenant-a', 'tenant-b']
/** How often migrate tries in vain. */
const triesBefore = 3
const policyOf = (tenant: string) => `arn:aws:iam::000000000000:policy/viewkeeper-${tenant}-refresh-us-east-1`

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
  // Nobody can connect before migrate has tried for a while.
  const front = await startGate(
    'front of the database',
    database.port,
    ({ refused }) => refused >= triesBefore,
  )
  let asked = ''
  const endpoint = await startGate('endpoint of Secrets Manager', emulator.port, undefined, (said) => {
    asked += said.toString('latin1')
  })
  const server = { host: 'localhost', port: front.port, authority: database.authority, adminSecret }
  const neighbourSecret = await aws.createSecret('neighbour', 'of somebody else')

  await stage(
    'cdk deploy of an app with two servers of its own waits for a database that comes up late',
    async () => {
      const { code, output } = await cdk.deployOwn({
        tenants,
        migrationsFolder: project.migrationsFolder,
        server,
        endpoint: `http://127.0.0.1:${endpoint.port}`,
        neighbourSecret,
      })
      assert.equal(code, 0, output.trimEnd().split('\n').slice(-40).join('\n'))
      assert.equal((await aws.describeStack('shop'))?.status, 'CREATE_COMPLETE')
      assert.equal(front.counted.refused, triesBefore)
      return front.counted
    },
    ({ refused }) => `${refused} tries before it was up`,
  )
  const outputs = cdk.readOutputs('shop')
  await stage('… whose functions read secrets by their endpoint, and a neighbour as before', async () => {
    assert.ok(endpoint.counted.passed > 0)
    assert.equal(await aws.invoke(outputs.NeighbourFunction!), 'of somebody else')
    // Schedules call the functions at any moment, so it is not who came that tells, but what was asked for.
    assert.ok(asked.includes(adminSecret))
    assert.ok(!asked.includes(neighbourSecret))
  })
  await resolveIncident(aws, outputs.PagerTopic!)
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

/** An incident begins and ends: a program that opens and resolves incidents gets both states of one alarm. */
async function resolveIncident(aws: Deployed['aws'], topicArn: string): Promise<void> {
  const [tenant] = tenants as [string]
  const alarm = `viewkeeper-${tenant}-incidents`
  const queue = await aws.subscribeQueue('incidents', topicArn)
  const incidents: string[] = []
  const publish = (value: number, secondsAgo = 0) =>
    aws.putMetric(metricNamespace, metricNames.incidents, metricDimensions(tenant), value, secondsAgo)
  const comes = (state: string, publishAgain: () => Promise<void>) =>
    poll(`${alarm} says ${state}`, async () => {
      await publishAgain()
      for (const { text } of await aws.receive(queue)) {
        const { AlarmName, NewStateValue } = JSON.parse(text)
        if (AlarmName === alarm) incidents.push(`${AlarmName} ${NewStateValue}`)
      }
      return incidents.includes(`${alarm} ${state}`) || undefined
    })
  await stage('an incident opens and resolves by one alarm', async () => {
    await publish(0, 110)
    // The alarm looks at one minute, so it can be over some seconds later.
    await comes('ALARM', () => publish(1, 50))
    await comes('OK', () => publish(0))
    assert.deepEqual(
      incidents.filter((each) => !each.endsWith('INSUFFICIENT_DATA')),
      [`${alarm} ALARM`, `${alarm} OK`],
    )
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
