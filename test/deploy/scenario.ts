import { join } from 'node:path'
import { createApi, createAws } from './aws.ts'
import { createCdk } from './cdk.ts'
import { mustStop } from './cleanup.ts'
import { startDatabase } from './database.ts'
import { startEmulator } from './emulator.ts'
import { preparePython } from './python.ts'
import { breakMigration, deployAgain } from './redeploys.ts'
import { refreshByHttp, refreshBySchedule } from './refreshes.ts'
import { copySchema, ownSchema } from './schema-folders.ts'
import { deploySucceeds, environmentOf } from './settings.ts'
import { insistOn } from './tools.ts'
import { step } from './transcript.ts'

export type Deployed = Awaited<ReturnType<typeof deployFirst>>

/** The whole story, from an empty account and a database without Viewkeeper to a deploy that has to fail. */
export async function deployScenario(folders: { cache: string; folder: string }): Promise<void> {
  const deployed = await deployFirst(folders)
  const run = await refreshByHttp(deployed)
  await refreshBySchedule(deployed)
  const changed = await deployAgain(deployed)
  await breakMigration(deployed, changed, run)
}

async function deployFirst({ cache, folder }: { cache: string; folder: string }) {
  insistOn('curl', '--version', 'to sign requests')
  insistOn('openssl', 'version', 'to make a certificate for the database')
  const python = await step('python with the emulator', () =>
    preparePython(cache, join(folder, 'python.log')),
  )
  const emulator = await step('emulator of AWS, with IAM', () => startEmulator(python, folder))
  const startWithView = () => startDatabase(join(folder, 'database'))
  const database = await step('PostgreSQL with TLS, a view, and npm run create-role', startWithView)
  mustStop('database', database)
  const cdk = createCdk(emulator, folder)
  await step('cdk bootstrap', cdk.bootstrap)

  const aws = createAws(emulator)
  const secret = await aws.createSecret('viewkeeper/deploy-test', database.secret)
  const environment = environmentOf(database, secret)
  const trialSchedule = { view: 'public.sales', everyMinutes: 1, rowCountStrategy: 'exact' as const }
  const schema = copySchema(ownSchema, join(folder, 'schema-1'))
  await step('cdk deploy', () =>
    deploySucceeds(cdk, { environment: { ...environment, trialSchedule }, schemaFolder: schema.folder }),
  )
  const api = createApi(cdk.readOutputs().ApiUrl!, emulator)
  return { folder, database, sql: database.sql, aws, cdk, api, environment, schema }
}
