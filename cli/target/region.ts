import { environments } from '../../infra/environments.ts'

/** The region of an environment in `infra/environments.ts`. Undefined: the region of the AWS credentials. */
export const regionOf = (environment: string): string | undefined => environments[environment]?.region
