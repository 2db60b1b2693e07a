import { CfnOutput } from 'aws-cdk-lib'
import { CfnFunction } from 'aws-cdk-lib/aws-lambda'
import type { ViewkeeperStack } from '../../../../infra/viewkeeper-stack.ts'

/** A server of the test, in the place of the one that the stack creates. */
export interface StandIn {
  host: string
  port: number
  /** PEM text of the authority that signed the server's certificate. */
  authority: string
  /** The ARN of the secret with the server's administrator. */
  masterSecret: string
}

/**
 * The emulator keeps a record of a created server, but makes none. So the database's stack exports another host, and the
 * functions are told the port and the authority.
 */
export function standInForServer(stack: ViewkeeperStack, standIn: StandIn): void {
  const exported = stack.databaseStack?.node.findAll().filter((each) => each instanceof CfnOutput) ?? []
  for (const output of exported) {
    const value = JSON.stringify(stack.resolve(output.value))
    if (value.includes('Endpoint.Address')) output.value = standIn.host
  }
  for (const lambda of stack.node.findAll().filter((each) => each instanceof CfnFunction)) {
    if (lambda.environment === undefined || lambda.functionName?.endsWith('-start-batch')) continue
    lambda.addPropertyOverride('Environment.Variables.DATABASE_PORT', String(standIn.port))
    lambda.addPropertyOverride('Environment.Variables.DATABASE_CA', standIn.authority)
  }
}
