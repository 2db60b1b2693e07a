import { join } from 'node:path'
import { soundAlarms } from './alarms.ts'
import { changeImported } from './authentication.ts'
import {
  failBatch,
  findBatchOfDeploy,
  findBatchOfSchedule,
  findRefreshInTime,
  refreshAllByHttp,
  whilePaused,
} from './batches.ts'
import { createDatabase } from './created-database.ts'
import { findEvents, killWhatWorks } from './events.ts'
import { operateFromAfar } from './operate.ts'
import { deployOwnApp } from './own-app.ts'
import { pruneHistory } from './prune.ts'
import { synthesizePythonApp } from './python-app.ts'
import { breakMigration, countEncrypted, deployAgain } from './redeploys.ts'
import { findMetrics, refreshByHttp } from './refreshes.ts'
import { copySchema, ownSchema } from './schema-folders.ts'
import { createCdk } from './support/apps/cdk.ts'
import { deploySucceeds } from './support/apps/outcomes.ts'
import { mustStop } from './support/cleanup.ts'
import type { Deployed } from './support/deployed.ts'
import { createApi, createAws } from './support/emulator/aws.ts'
import { startEmulator } from './support/emulator/emulator.ts'
import { preparePython } from './support/emulator/python.ts'
import { freezeBatchViews, giveTargetLag } from './support/project/batch-views.ts'
import { startDatabase } from './support/project/database.ts'
import { createProject } from './support/project/project.ts'
import { insistOn } from './support/tools.ts'
import { stage } from './support/transcript.ts'
import { environmentOf } from './test-environment.ts'
import { breakView, changeView, commandFromAfar, findChangedView, findView, freezeView } from './view-life.ts'

/**
 * The whole story, from an empty account and a database without Viewkeeper, over deploys that have to fail,
 * to commands from afar.
 */
export async function deployScenario(folders: { cache: string; folder: string }): Promise<void> {
  const deployed = await deployFirst(folders)
  await findView(deployed)
  await findBatchOfDeploy(deployed, 1)
  const run = await refreshByHttp(deployed)
  await whilePaused(deployed, async () => {
    await refreshAllByHttp(deployed)
    await failBatch(deployed)
  })
  // The schedules' minute goes by meanwhile.
  await breakView(deployed, run)
  await breakMigration(deployed, run)
  await findBatchOfSchedule(deployed)
  await findMetrics(deployed)
  await giveTargetLag(deployed)
  await changeView(deployed)
  await deployAgain(deployed)
  await findChangedView(deployed)
  await findBatchOfDeploy(deployed, 2)
  await findRefreshInTime(deployed)
  await commandFromAfar(deployed)
  await operateFromAfar(deployed)
  await soundAlarms(deployed)
  await killWhatWorks(deployed)
  await findEvents(deployed)
  await pruneHistory(deployed)
  await countEncrypted(deployed)
  await changeImported(deployed)
  await createDatabase(deployed)
  await deployOwnApp(deployed)
}

async function deployFirst({ cache, folder }: { cache: string; folder: string }): Promise<Deployed> {
  insistOn('curl', '--version', 'to sign requests')
  insistOn('openssl', 'version', 'to make a certificate for the database')
  const python = await stage('python with the emulator', () =>
    preparePython(cache, join(folder, 'python.log')),
  )
  await stage('an app in Python finds an environment by its parameter', () =>
    synthesizePythonApp(python, folder),
  )
  const emulator = await stage('emulator of AWS, with IAM', () => startEmulator(python, folder))
  const startWithView = () => startDatabase(join(folder, 'database'))
  const database = await stage('PostgreSQL with TLS, a view, and viewkeeper create-role', startWithView)
  mustStop('database', database)
  const cdk = createCdk(emulator, folder)
  await stage('cdk bootstrap', cdk.bootstrap)

  const aws = createAws(emulator)
  const secret = await aws.createSecret('viewkeeper/deploy-test', database.secret)
  const environment = environmentOf(database, secret)
  const schema = copySchema(ownSchema, join(folder, 'schema-1'))
  const project = createProject(join(folder, 'project'), {
    url: database.url,
    emulator,
    environment: 'deploy-test',
  })
  await freezeView({ project })
  await freezeBatchViews({ project })
  const { migrationsFolder } = project
  const options = { name: 'deploy-test', ...environment, schemaFolder: schema.folder, migrationsFolder }
  await stage('cdk deploy', () => deploySucceeds(cdk, options))
  const { ApiUrl, StateMachineArn, MailTopicArn, NoticesTopicArn, ...outputs } =
    cdk.readOutputs('viewkeeper-deploy-test')
  const api = createApi(ApiUrl!, emulator)
  const arns = {
    machineArn: StateMachineArn!,
    functions: {
      migrate: outputs.migrateFunction!,
      monitor: outputs.monitorFunction!,
      prune: outputs.pruneFunction!,
      refresh: outputs.refreshFunction!,
      send: outputs.sendFunction!,
    },
    queues: { every: outputs.EveryEventQueue!, sales: outputs.SalesRefreshedQueue! },
    topics: { mail: MailTopicArn!, notices: NoticesTopicArn! },
    policies: { read: policyOf('read'), define: policyOf('define') },
  }
  return { folder, emulator, database, sql: database.sql, aws, cdk, api, ...arns, options, schema, project }
}

const policyOf = (name: string) => `arn:aws:iam::000000000000:policy/viewkeeper-deploy-test-${name}-us-east-1`
