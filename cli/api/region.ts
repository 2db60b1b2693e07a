import { readConfig } from '../project/config.ts'

/** The region of an environment in the configuration. Undefined: the region of the AWS credentials. */
export const regionOf = async (environment: string): Promise<string | undefined> =>
  (await readConfig()).environments[environment]?.region
