import { Fn } from 'aws-cdk-lib'
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns'
import { StringParameter } from 'aws-cdk-lib/aws-ssm'
import type { Construct } from 'constructs'
import { type Address, parameterName } from '../src/sql/parameter.ts'
import { type Granted, grantedOf } from './functions/granted.ts'
import { ViewkeeperBase } from './viewkeeper-base.ts'

/** An environment that is deployed already, in this account and region. CloudFormation reads its parameter at each deploy. */
export class ImportedViewkeeper extends ViewkeeperBase {
  readonly environmentName: string
  readonly apiUrl: string
  readonly notices: ITopic
  /** @internal */
  protected readonly _granted: Granted
  /** @internal */
  protected readonly _eventBus: string

  constructor(scope: Construct, id: string, environmentName: string) {
    super(scope, id)
    const json = StringParameter.valueForStringParameter(this, parameterName(environmentName))
    // CloudFormation reads no JSON. No address has a quotation mark in it.
    const said = (key: keyof Address) =>
      Fn.select(0, Fn.split('"', Fn.select(1, Fn.split(`"${key}":"`, json))))
    this.environmentName = environmentName
    this.apiUrl = said('apiUrl')
    this.notices = Topic.fromTopicArn(this, 'Notices', said('noticesTopicArn'))
    // Read only by who asks for events: an environment of an earlier version does not say it.
    this._eventBus = said('eventBus')
    this._granted = grantedOf(this, environmentName, {
      apiArn: said('apiArn'),
      migrateArn: said('migrateArn'),
    })
  }
}
