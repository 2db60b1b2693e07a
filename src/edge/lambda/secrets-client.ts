import { SecretsProvider } from '@aws-lambda-powertools/parameters/secrets'
import { clientSettings } from './aws-client.ts'

/** The client of Secrets Manager. It keeps what it has fetched. */
export const secrets = new SecretsProvider({ clientConfig: clientSettings({ requestMs: 4000, attempts: 2 }) })
