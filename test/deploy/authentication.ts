import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { deploySucceeds } from './support/apps/outcomes.ts'
import type { Deployed } from './support/deployed.ts'
import { root } from './support/emulator/aws.ts'
import { isCutOff } from './support/emulator/kill.ts'
import { createRole } from './support/project/database.ts'
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

/** The environment on a server that exists logs in with IAM from now on, while the API is called all the time. */
export async function changeImported(deployed: Deployed): Promise<void> {
  const { cdk, api, options, database, folder } = deployed
  await letInByIam(database.sql)
  createRole(database.url, '--iam', '--accept-tokens-only')
  const environment = { ...options.environment, iamAuthentication: true, loginUser: 'viewkeeper_iam' }
  await stage(
    'cdk deploy with iamAuthentication on a server that exists, while the API is called all the time',
    async () => {
      let isDeployed = false
      const deploying = deploySucceeds(cdk, {
        ...options,
        loginSecret: undefined,
        // The steps of the last deploy.
        schemaFolder: join(folder, 'schema-3'),
        environment,
      }).finally(() => {
        isDeployed = true
      })
      let answered = 0
      while (!isDeployed) {
        const { status, body } = await api.call('GET', '/views', root)
        if (isCutOff(body)) continue
        assert.equal(status, 200, body)
        answered += 1
      }
      await deploying
      const before = database.countConnections('viewkeeper_iam').all
      // 200: the refresh has ended within the call; 202: it goes on.
      const { status, body } = await api.call('POST', '/views/public.sales/refresh', root)
      assert.ok([200, 202].includes(status), body)
      assert.ok(database.countConnections('viewkeeper_iam').all > before)
      return answered
    },
    (answered) => `${answered} calls, each answered`,
  )
}
