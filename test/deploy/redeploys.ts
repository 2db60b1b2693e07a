import assert from 'node:assert/strict'
import { join } from 'node:path'
import { assertServed } from './refreshes.ts'
import { copySchema } from './schema-folders.ts'
import { deployFails, deploySucceeds } from './support/apps/outcomes.ts'
import type { Deployed } from './support/deployed.ts'
import { stage } from './support/transcript.ts'

/** Deploys with a further schema step, and with the migration that put a target lag in the schedule's place. */
export async function deployAgain({ folder, schema, cdk, options, sql, aws }: Deployed): Promise<void> {
  const expand = 'create table viewkeeper.expanded (id integer)'
  const { folder: schemaFolder } = copySchema(schema.folder, join(folder, 'schema-3'), ['expand', expand])
  await stage('cdk deploy again, with a further step, and a target lag instead of the schedule', async () => {
    await deploySucceeds(cdk, { ...options, schemaFolder })
    assert.equal((await sql`select from pg_tables where tablename = 'expanded'`).length, 1)
    assert.deepEqual(await aws.listSchedules('deploy-test'), ['prune', 'send'])
  })
}

/** Deploys a schema step that fails half-way. */
export async function breakMigration(deployed: Deployed, runId: number): Promise<void> {
  const { folder, schema, cdk, options, sql, api } = deployed
  const halfDone = 'create table viewkeeper.half_done (id integer);\nselect * from no_such_table'
  const broken = copySchema(schema.folder, join(folder, 'schema-2'), ['broken', halfDone])
  const failToDeploy = () =>
    deployFails(cdk, { ...options, schemaFolder: broken.folder }, `schema/${broken.last}`)
  await stage('cdk deploy with a broken step of the schema fails, naming it', failToDeploy, (line) => line)
  await stage('… and leaves database and API as they were', async () => {
    assert.equal((await sql`select from pg_tables where tablename = 'half_done'`).length, 0)
    const [journal] = await sql`select name from viewkeeper.schema_steps order by number desc limit 1`
    assert.equal(`${journal?.name}.sql`, schema.last)
    await assertServed(api, runId)
  })
}

/** Insists that no function ever spoke to the database in the clear. */
export async function countEncrypted({ database }: Deployed): Promise<void> {
  const count = async () => {
    const { all, encrypted } = database.countConnections()
    assert.ok(all > 0)
    assert.equal(encrypted, all)
    return all
  }
  await stage('every connection of a function was encrypted', count, (all) => `${all} connections`)
}
