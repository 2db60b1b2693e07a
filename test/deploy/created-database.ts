import assert from 'node:assert/strict'
import { join } from 'node:path'
import postgres from 'postgres'
import { deploySucceeds } from './support/apps/outcomes.ts'
import type { Deployed } from './support/deployed.ts'
import { createProject } from './support/project/project.ts'
import { yearlySales } from './support/project/yearly-sales.ts'
import { stage } from './support/transcript.ts'
import { commandPolicy } from './test-environment.ts'

const name = 'created-test'
const main = `viewkeeper-${name}`
const ofDatabase = `${name}-database`

/**
 * The first deploy of an environment that creates its database: it fails, because the tables of its view are missing;
 * then it succeeds without the view, which a command brings later.
 */
export async function createDatabase(deployed: Deployed): Promise<void> {
  const { folder, emulator, database, sql, aws, cdk, schema } = deployed
  await sql`create database shop`
  const url = new URL('shop', database.url).href
  const project = createProject(join(folder, name), { url, emulator, environment: name })
  project.author('yearly_sales.ts', yearlySales('sum(amount) as amount'))
  await project.freeze('--unverified', '-m', 'Its table is still missing')
  const { username, password } = new URL(database.url)
  const adminSecret = await aws.createSecret('master', JSON.stringify({ username, password }))
  const { port, authority } = database
  const options = {
    name,
    environment: { addSecretsManagerEndpoint: true },
    server: { host: 'localhost', port, authority, databaseName: 'shop' },
    adminSecret,
    schemaFolder: schema.folder,
    migrationsFolder: project.migrationsFolder,
  }
  const protectedStack = { status: 'CREATE_COMPLETE', protected: true }

  await stage('cdk deploy that creates a database, and fails in a view', async () => {
    const { code, output } = await cdk.deploy(options)
    assert.notEqual(code, 0)
    assert.match(output, /001_yearly_sales/)
    // Nothing is said of schedules, nor of who is told.
    assert.match(output, /nobody is told what goes wrong/)
  })
  await stage('… leaves the stack of the database, and rolls the other one back', async () => {
    assert.deepEqual(await aws.describeStack(ofDatabase), protectedStack)
    assert.equal((await aws.describeStack(main))?.status, 'ROLLBACK_COMPLETE')
    await assert.rejects(aws.deleteStack(ofDatabase), /TerminationProtection/)
  })
  await stage('cdk deploy -c viewMigrations=false succeeds', async () => {
    await deploySucceeds(cdk, options, '-c', 'viewMigrations=false')
    assert.equal((await aws.describeStack(main))?.status, 'CREATE_COMPLETE')
    assert.deepEqual(await aws.describeStack(ofDatabase), protectedStack)
  })
  await stage('viewkeeper migrate up --env brings the view, when its table is there', async () => {
    const shop = postgres(url, { max: 1, onnotice: () => {} })
    try {
      assert.equal((await shop`select from pg_matviews`).length, 0)
      await shop.unsafe(`
        create table public.sale (day date not null, amount numeric not null);
        insert into public.sale values ('2026-01-01', 1);
        create schema reports;
        grant usage, create on schema reports to viewkeeper_views;
        grant select on public.sale to viewkeeper_views;`)
      const somebody = await aws.createUser(
        'beginner',
        commandPolicy(name, cdk.readOutputs(main).migrateFunction!),
      )
      const { code, output } = await project.command(somebody, 'migrate', 'up')
      assert.equal(code, 0, output)
      assert.equal((await shop`select from reports.yearly_sales`).length, 1)
    } finally {
      await shop.end()
    }
  })
}
