import { fileURLToPath } from 'node:url'
import { CfnOutput, Fn, Stack, Tags } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { AlarmTopic } from './alarm-topic.ts'
import { Alarms } from './alarms.ts'
import { Api } from './api.ts'
import { CreatedDatabase } from './created-database.ts'
import { DeadLetters } from './dead-letters.ts'
import type { Environment } from './environment.ts'
import { Functions } from './functions.ts'
import { FunctionsNetwork } from './functions-network.ts'
import { ImportedDatabase } from './imported-database.ts'
import { Migration } from './migration.ts'
import { everyMinutes, Schedules } from './schedules.ts'

export interface ViewkeeperStackProps {
  /** Key of the environment in `environments.ts`. */
  environmentName: string
  environment: Environment
  /** Folder with the steps of the schema `viewkeeper`. Default: `schema/` of this repository. */
  schemaFolder?: string
  /** Folder with the frozen migrations of the views. Default: `migrations/` of this repository. */
  migrationsFolder?: string
}

const ownFolder = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** One environment: its functions, their API, schedules and alarms, and the way to the database. */
export class ViewkeeperStack extends Stack {
  /**
   * Two zones, whichever the region has: with a known account and region, CDK would ask AWS for them, and synth
   * would need credentials.
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

    const { logRetentionDays, requestsPerSecond } = environment
    const database =
      environment.database.kind === 'created'
        ? new CreatedDatabase(this, 'Database', { settings: environment.database, logRetentionDays })
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
    const { create, refresh, drop, cancel, query, monitor } = others
    const api = new Api(this, 'Api', {
      environmentName,
      functions: { create, refresh, drop, cancel, query },
      requestsPerSecond,
      logRetentionDays,
    })

    const schedules = new Schedules(this, 'Schedules', { environmentName, deadLetters })
    schedules.addMonitor(monitor.lambda)
    if (environment.trialSchedule) {
      const { everyMinutes: minutes, ...request } = environment.trialSchedule
      schedules.addRefresh('trial', everyMinutes(minutes), refresh.lambda, request)
    }

    new Migration(this, 'Migration', {
      migrate,
      after: [database, network],
      before: [...Object.values(others), api, schedules],
    })
    const { topic } = new AlarmTopic(this, 'AlarmTopic', { environmentName, emails: environment.alarmEmails })
    const alarms = new Alarms(this, 'Alarms', { environmentName, topic, functions, deadLetters })
    // Before the monitor is called its silence would be an alarm, for as long as a database takes to create.
    alarms.node.addDependency(schedules)

    const output = (name: string, value: string) => new CfnOutput(this, name, { value })
    output('ApiUrl', api.url)
    output('CreateFunction', create.lambda.functionName)
    output('RefreshFunction', refresh.lambda.functionName)
    output('DropFunction', drop.lambda.functionName)
    output('CancelFunction', cancel.lambda.functionName)
    output('QueryFunction', query.lambda.functionName)
    output('MonitorFunction', monitor.lambda.functionName)
    output('MigrateFunction', migrate.lambda.functionName)
    output('DatabaseEndpoint', `${database.host}:${database.port}`)
    output('DatabaseSecret', database.secret.secretArn)
    output('FunctionsSecurityGroup', network.placement.securityGroup.securityGroupId)
    output('DeadLetterQueue', deadLetters.queueUrl)
    output('AlarmTopicArn', topic.topicArn)
    if (environment.trialSchedule) output('TrialSchedule', `viewkeeper-${environmentName}/trial`)
  }
}
