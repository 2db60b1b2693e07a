/** The parameter of SSM by which the command line finds an environment. */
export const parameterName = (environment: string): string => `/viewkeeper/${environment}`

/** What the parameter says, as JSON. */
export interface Address {
  /** The address of the HTTP API, with a slash at its end. */
  apiUrl: string
}
