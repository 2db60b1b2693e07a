// Loaded before a team's CDK app by `node --import`, in whatever Node the team has. The emulator lacks a part of AWS: this file
// takes that part out of the app, and the team's own files stay as a team has them.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const cdk = createRequire(join(process.cwd(), 'package.json'))('aws-cdk-lib')

/** Rules between security groups, flow logs and saved queries: the emulator does not know them. */
const unknown = [
  'AWS::EC2::SecurityGroupIngress',
  'AWS::EC2::SecurityGroupEgress',
  'AWS::EC2::FlowLog',
  'AWS::Logs::QueryDefinition',
]

/** The server of the test: the emulator keeps only a record of the servers that a stack creates. */
const server = process.env.TEST_SERVER === undefined ? undefined : JSON.parse(process.env.TEST_SERVER)

class EmulatedApp extends cdk.App {
  constructor(props) {
    // The emulator does not let the roles of the bootstrap publish files: the deployer's own credentials do.
    super({ ...props, defaultStackSynthesizer: new cdk.CliCredentialsStackSynthesizer() })
  }

  synth(options) {
    for (const construct of this.node.findAll().filter(cdk.CfnResource.isCfnResource)) adapt(construct)
    const assembly = super.synth(options)
    for (const stack of assembly.stacks) writeFileSync(stack.templateFullPath, withSecrets(stack.template))
    return assembly
  }
}

function adapt(resource) {
  const { cfnResourceType: type } = resource
  if (unknown.includes(type)) resource.node.scope.node.tryRemoveChild(resource.node.id)
  // The emulator speaks HTTP, which the topics refuse.
  if (type === 'AWS::SNS::TopicPolicy') {
    const { Statement, ...rest } = cdk.Stack.of(resource).resolve(resource.policyDocument)
    resource.policyDocument = { ...rest, Statement: Statement.filter(({ Effect }) => Effect !== 'Deny') }
  }
  if (type === 'AWS::Lambda::Function' && server !== undefined) {
    const { variables = {} } = cdk.Stack.of(resource).resolve(resource.environment) ?? {}
    if (variables.DATABASE_HOST === undefined) return
    resource.addPropertyOverride('Environment.Variables.DATABASE_HOST', server.host)
    resource.addPropertyOverride('Environment.Variables.DATABASE_PORT', String(server.port))
  }
}

/** The emulator takes the name of a created secret for its ARN, unless it is asked for the attribute. */
function withSecrets(template) {
  const secrets = Object.entries(template.Resources ?? {}).filter(
    ([, { Type }]) => Type === 'AWS::SecretsManager::Secret',
  )
  return secrets.reduce(
    (text, [id]) => text.replaceAll(`{"Ref":"${id}"}`, `{"Fn::GetAtt":["${id}","Id"]}`),
    JSON.stringify(template),
  )
}

Object.defineProperty(cdk, 'App', { value: EmulatedApp, enumerable: true, configurable: true })
