import assert from 'node:assert/strict'
import { join } from 'node:path'
import { root } from './aws.ts'
import type { Deployed } from './scenario.ts'
import { copySchema, type SchemaFolder } from './schema-folders.ts'
import { deploySucceeds } from './settings.ts'
import { step } from './transcript.ts'

/** Deploys with a further step of the schema and without the schedule; gives the schema as it is then. */
export async function deployAgain({
  folder,
  schema,
  cdk,
  environment,
  sql,
  aws,
}: Deployed): Promise<SchemaFolder> {
  const step2 = 'create table viewkeeper.expanded (id integer)'
  const changed = copySchema(schema.folder, join(folder, 'schema-2'), ['expand', step2])
  await step('cdk deploy again, with a further step and without schedule', async () => {
    await deploySucceeds(cdk, { environment, schemaFolder: changed.folder })
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
  const { folder, cdk, environment, database, sql, api } = deployed
  const halfDone = 'create table viewkeeper.half_done (id integer);\nselect * from no_such_table'
  const broken = copySchema(changed.folder, join(folder, 'schema-3'), ['broken', halfDone])
  const failToDeploy = async () => {
    const { code, output } = await cdk.deploy({ environment, schemaFolder: broken.folder })
    assert.notEqual(code, 0)
    // The `migrate` of the version before, put back by the rollback, has to live with the schema as it is.
    assert.match(output, /UPDATE_ROLLBACK_COMPLET/)
    const line = output.split('\n').find((text) => text.includes(broken.last))
    assert.ok(line, output)
    return line.slice(line.indexOf('schema/'))
  }
  await step('cdk deploy with a broken migration fails, naming its file', failToDeploy, (line) => line)
  await step('… and leaves database and API as they were', async () => {
    assert.equal((await sql`select from pg_tables where tablename = 'half_done'`).length, 0)
    const [journal] = await sql`select name from viewkeeper.migrations order by number desc limit 1`
    assert.equal(`${journal?.name}.sql`, changed.last)
    const answer = await api.call('GET', `/runs/${runId}`, root)
    assert.equal(answer.status, 200, answer.body)
    assert.equal(JSON.parse(answer.body).status, 'success')
  })
  const countEncrypted = async () => {
    const { all, encrypted } = database.countConnections()
    assert.ok(all > 0)
    assert.equal(encrypted, all)
    return all
  }
  await step('every connection of a function was encrypted', countEncrypted, (all) => `${all} connections`)
}
