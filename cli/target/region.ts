import { environments } from '../../infra/environments.ts'

/** Where an environment is deployed, as `infra/environments.ts` states it; undefined leaves it to the credentials. */
export const regionOf = (environment: string): string | undefined => environments[environment]?.region
