import { Stack } from 'aws-cdk-lib'
import { StringParameter } from 'aws-cdk-lib/aws-ssm'
import { Construct } from 'constructs'
import { type Address, parameterName } from '../../src/sql/parameter.ts'

/** The parameter by which the command line finds an environment, in whatever stack the environment stands. */
export class Parameter extends Construct {
  readonly parameter: StringParameter

  constructor(
    scope: Construct,
    id: string,
    { environmentName, ...address }: Address & { environmentName: string },
  ) {
    super(scope, id)
    this.parameter = new StringParameter(this, 'Parameter', {
      parameterName: parameterName(environmentName),
      description: `Viewkeeper ${environmentName}: where it is, for the command line`,
      stringValue: Stack.of(this).toJsonString(address),
    })
  }
}
