import { SecretsProvider } from '@aws-lambda-powertools/parameters/secrets'
import { clientSettings } from './aws-client.ts'

/** A client of Secrets Manager in a region. It keeps what it has fetched. */
export const secretsOf = (region?: string) =>
  new SecretsProvider({
    clientConfig: { ...(region && { region }), ...clientSettings({ requestMs: 4000, attempts: 2 }) },
  })

/** The client of a function, in its own region. */
export const secrets = secretsOf()
