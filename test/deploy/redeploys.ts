import assert from 'node:assert/strict'
import { join } from 'node:path'
import { deployFails, deploySucceeds } from './outcomes.ts'
import { assertServed } from './refreshes.ts'
import type { Deployed } from './scenario.ts'
import { copySchema, type SchemaFolder } from './schema-folders.ts'
import { step } from './transcript.ts'

/** Deploys with a further step of the schema and without the schedule; gives the schema as it is then. */
export async function deployAgain({
  folder,
  schema,
  project,
  cdk,
  environment,
  sql,
  aws,
}: Deployed): Promise<SchemaFolder> {
  const step2 = 'create table viewkeeper.expanded (id integer)'
  const changed = copySchema(schema.folder, join(folder, 'schema-2'), ['expand', step2])
  await step('cdk deploy again, with a further step and without schedule', async () => {
    const { migrationsFolder } = project
    await deploySucceeds(cdk, { environment, schemaFolder: changed.folder, migrationsFolder })
    assert.equal((await sql`select from pg_tables where tablename = 'expanded'`).length, 1)
    assert.deepEqual(await aws.listSchedules('viewkeeper-deploy-test'), ['monitor'])
  })
  return changed
}

/** Deploys a step that fails half-way. */
export async function breakMigration(
  deployed: Deployed,
  changed: SchemaFolder,
  runId: number,
): Promise<void> {
  const { folder, project, cdk, environment, sql, api } = deployed
  const { migrationsFolder } = project
  const halfDone = 'create table viewkeeper.half_done (id integer);\nselect * from no_such_table'
  const broken = copySchema(changed.folder, join(folder, 'schema-3'), ['broken', halfDone])
  const settings = { environment, schemaFolder: broken.folder, migrationsFolder }
  const failToDeploy = () => deployFails(cdk, settings, `schema/${broken.last}`)
  await step('cdk deploy with a broken step of the schema fails, naming it', failToDeploy, (line) => line)
  await step('… and leaves database and API as they were', async () => {
    assert.equal((await sql`select from pg_tables where tablename = 'half_done'`).length, 0)
    const [journal] = await sql`select name from viewkeeper.migrations order by number desc limit 1`
    assert.equal(`${journal?.name}.sql`, changed.last)
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
  await step('every connection of a function was encrypted', count, (all) => `${all} connections`)
}
