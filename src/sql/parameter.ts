/** The parameter of SSM by which the command line finds an environment. */
export const parameterName = (environment: string): string => `/viewkeeper/${environment}`

/** What the parameter says, as JSON. */
export interface Address {
  /** The address of the HTTP API, with a slash at its end. */
  apiUrl: string
  /** What another CDK app needs to grant rights: the ARN of the API's stage, and of the function that serves the command line. */
  apiArn: string
  migrateArn: string
  /** The topic of the notices. */
  noticesTopicArn: string
  /** The name or the ARN of the bus that gets the events; `none`: there are no events. */
  eventBus: string
}
