import { fileURLToPath } from 'node:url'
import { CfnOutput, Fn, Stack, Tags } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { FunctionName } from '../src/edge/http/routes.ts'
import { distinctTimes, type ScheduledView } from '../src/plan/views/scheduled.ts'
import { CreatedDatabase } from './database/created-database.ts'
import { ImportedDatabase } from './database/imported-database.ts'
import type { Environment } from './environment/environment.ts'
import { Api, type ServedApi } from './functions/api.ts'
import { BatchMachine } from './functions/batch-machine.ts'
import { DeadLetters } from './functions/dead-letters.ts'
import { Functions } from './functions/functions.ts'
import { FunctionsNetwork } from './functions/functions-network.ts'
import { Migration } from './functions/migration.ts'
import { Policies } from './functions/policies.ts'
import { PrivateApi } from './functions/private-api.ts'
import { RefreshOnDeploy } from './functions/refresh-on-deploy.ts'
import { AlarmTopic } from './monitoring/alarm-topic.ts'
import { Alarms } from './monitoring/alarms.ts'
import { Dashboard } from './monitoring/dashboard.ts'
import { Schedules } from './schedules/schedules.ts'

export interface ViewkeeperStackProps {
  /** Key of the environment in `environments.ts`. */
  environmentName: string
  environment: Environment
  /** The folder of the schema steps. Default: `schema/` of this repository. */
  schemaFolder?: string
  /** The folder of the views' frozen migrations. Default: `migrations/` of this repository. */
  migrationsFolder?: string
  /** The views that have their own schedule after these migrations. */
  scheduledViews: ScheduledView[]
}

const ownFolder = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** One environment: its functions, API, schedules and alarms, and the network path to the database. */
export class ViewkeeperStack extends Stack {
  /**
   * The first two zones of the region, whichever they are. Without this, CDK asks AWS for the zones if it
   * knows account and region, and `cdk synth` needs credentials.
   */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()))
  }

  constructor(scope: Construct, props: ViewkeeperStackProps) {
    const { environmentName, environment } = props
    super(scope, `viewkeeper-${environmentName}`, {
      description: `Viewkeeper ${environmentName}: keeps materialized views fresh`,
      env: { account: environment.account, region: environment.region },
    })
    for (const [key, value] of Object.entries(environment.tags)) Tags.of(this).add(key, value)
    Tags.of(this).add('viewkeeper:environment', environmentName)

    const { logRetentionDays, requestsPerSecond, batchConcurrency: concurrency } = environment
    const database =
      environment.database.kind === 'created'
        ? new CreatedDatabase(this, 'Database', { options: environment.database, logRetentionDays })
        : new ImportedDatabase(this, 'Database', environment.database)
    const network = new FunctionsNetwork(this, 'Network', database)
    const deadLetters = new DeadLetters(this, 'DeadLetters', environmentName).queue

    const functions = new Functions(this, 'Functions', {
      environmentName,
      environment,
      database,
      network: network.placement,
      deadLetters,
      schemaFolder: props.schemaFolder ?? ownFolder('schema'),
      migrationsFolder: props.migrationsFolder ?? ownFolder('migrations'),
    }).all
    const { migrate, ...others } = functions
    const startBatch = functions['start-batch']
    const batches = new BatchMachine(this, 'Batches', {
      environmentName,
      advance: functions.advance.lambda,
      startBatch: startBatch.lambda,
      logRetentionDays,
    })
    const { machine } = batches
    const apiProps = { environmentName, functions, requestsPerSecond }
    const api: ServedApi =
      environment.api === 'private'
        ? new PrivateApi(this, 'Api', { ...apiProps, database, endpointId: environment.apiEndpointId })
        : new Api(this, 'Api', { ...apiProps, logRetentionDays })
    const policies = new Policies(this, 'Policies', {
      environmentName,
      apiId: api.apiId,
      stageName: api.stageName,
      migrate: migrate.lambda,
    })

    const schedules = new Schedules(this, 'Schedules', {
      environmentName,
      monitor: functions.monitor.lambda,
      startBatch: startBatch.lambda,
      prune: functions.prune.lambda,
      monitorEveryMinutes: environment.monitorEveryMinutes,
      concurrency,
      deadLetters,
    })
    const nightly = environment.schedules?.nightly
    if (nightly) schedules.addNightly(nightly)
    if (environment.schedules?.views)
      for (const times of distinctTimes(props.scheduledViews)) schedules.addViews(times)

    new Migration(this, 'Migration', {
      environmentName,
      logRetentionDays,
      migrate,
      after: [database, network],
      before: [...Object.values(others), batches, api, schedules],
    })
    if (environment.refreshOnDeploy)
      new RefreshOnDeploy(this, 'RefreshOnDeploy', {
        environmentName,
        startBatch,
        functions: Object.values(functions),
        logRetentionDays,
        after: [batches, api, schedules],
      })
    const { topic } = new AlarmTopic(this, 'AlarmTopic', { environmentName, emails: environment.alarmEmails })
    const alarms = new Alarms(this, 'Alarms', {
      environmentName,
      topic,
      functions,
      api,
      machine,
      deadLetters,
    })
    // The alarms are made after the monitor's schedule. Otherwise missing numbers of the monitor would set an
    // alarm off while the database is created.
    alarms.node.addDependency(schedules.monitor)

    const dashboard = new Dashboard(this, 'Dashboard', { environmentName, functions, machine })

    const output = (name: string, value: string) => new CfnOutput(this, name, { value })
    output('ApiUrl', api.url)
    if (api.securityGroup) output('ApiSecurityGroup', api.securityGroup.securityGroupId)
    for (const name of Object.keys(functions) as FunctionName[])
      output(outputName(name), functions[name].lambda.functionName)
    output('ReadPolicy', policies.all.read.managedPolicyArn)
    output('RefreshPolicy', policies.all.refresh.managedPolicyArn)
    output('OperatePolicy', policies.all.operate.managedPolicyArn)
    output('StateMachineArn', machine.stateMachineArn)
    output('NightlyBatch', nightly ? `${nightly.at} ${nightly.timeZone}, every view` : 'none')
    output('DatabaseEndpoint', `${database.host}:${database.port}`)
    output('DatabaseSecret', database.secret.secretArn)
    output('FunctionsSecurityGroup', network.placement.securityGroup.securityGroupId)
    output('DeadLetterQueue', deadLetters.queueUrl)
    output('AlarmTopicArn', topic.topicArn)
    output('DashboardName', dashboard.name)
  }
}

/** `start-batch` becomes `StartBatchFunction`. */
const outputName = (name: FunctionName): string =>
  `${name
    .split('-')
    .map((word) => word[0]?.toUpperCase() + word.slice(1))
    .join('')}Function`
