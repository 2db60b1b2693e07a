import { join } from 'node:path'
import type { ICommandHooks } from 'aws-cdk-lib/aws-lambda-nodejs'

const copy = "require('node:fs').cpSync(process.argv[1],process.argv[2],{recursive:true})"

/** Copies the steps of the schema next to the bundle, into `schema/`; with Node, because Windows has no `cp`. */
export const schemaHook = (schemaFolder: string): ICommandHooks => ({
  beforeBundling: () => [],
  beforeInstall: () => [],
  afterBundling: (_input, output) => [`node -e "${copy}" "${schemaFolder}" "${join(output, 'schema')}"`],
})
