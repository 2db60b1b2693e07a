import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import type { ImportedDatabaseOptions } from '../../src/config/options.ts'
import type { Cdk } from './support/apps/cdk.ts'
import { deploySucceeds } from './support/apps/outcomes.ts'
import type { Deployed } from './support/deployed.ts'
import { type Api, root } from './support/emulator/aws.ts'
import { createRole, type TestDatabase } from './support/project/database.ts'
import { stage } from './support/transcript.ts'

/** What RDS does for a server with IAM, but for the check of the token: a unit test signs and checks one. */
async function letInByIam(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create role rds_iam;
    create role viewkeeper_admin superuser login;
    grant rds_iam to viewkeeper_admin`)
  const [row] = await sql<[{ hba_file: string }]>`show hba_file`
  writeFileSync(row.hba_file, `hostssl all +rds_iam all trust\n${readFileSync(row.hba_file, 'utf8')}`)
  await sql`select pg_reload_conf()`
}

/** Deploys another way to log in, calls the API until it is there, and insists that the functions then use its role. */
export async function changeAuthentication(
  { cdk, api, database }: { cdk: Cdk; api: Api; database: TestDatabase },
  options: Parameters<typeof deploySucceeds>[1],
  view: string,
): Promise<number> {
  const { authentication } = options.environment.database
  let deployed = false
  const deploying = deploySucceeds(cdk, options).finally(() => {
    deployed = true
  })
  let answered = 0
  while (!deployed) {
    const { status, body } = await api.call('GET', '/views', root)
    // The emulator ends a function in the middle of a call when it updates it; Lambda lets the call end.
    if (body.includes('Worker process died')) continue
    assert.equal(status, 200, body)
    answered += 1
  }
  await deploying
  const role = authentication === 'iam' ? 'viewkeeper_iam' : 'viewkeeper_app'
  const before = database.countConnections(role).all
  // 200: the refresh has ended within the call; 202: it goes on.
  const { status, body } = await api.call('POST', `/views/${view}/refresh`, root)
  assert.ok([200, 202].includes(status), body)
  assert.ok(database.countConnections(role).all > before)
  return answered
}

/** The environment on a server that exists logs in with IAM from now on. */
export async function changeImported(deployed: Deployed): Promise<void> {
  const { options, database, folder } = deployed
  await letInByIam(database.sql)
  createRole(database.url, '--iam', '--accept-tokens-only')
  const { secretArn: _, vpc, ...others } = options.environment.database as ImportedDatabaseOptions
  const { addSecretsManagerEndpoint: __, ...network } = vpc
  const login = { authentication: 'iam', user: 'viewkeeper_iam', resourceId: 'db-ABCDEFGHIJKL01234' } as const
  const environment = { ...options.environment, database: { ...others, ...login, vpc: network } }
  // The steps of the last deploy.
  const schemaFolder = join(folder, 'schema-3')
  await stage(
    "cdk deploy with authentication 'iam' on a server that exists, while the API is called all the time",
    () => changeAuthentication(deployed, { ...options, schemaFolder, environment }, 'public.sales'),
    (answered) => `${answered} calls, each answered`,
  )
}
