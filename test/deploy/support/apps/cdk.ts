import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ViewkeeperProps } from '../../../../infra/index.ts'
import { type Finished, finish, succeed } from '../command.ts'
import { root } from '../emulator/aws.ts'
import type { Emulator } from '../emulator/emulator.ts'
import type { Credentials } from '../emulator/signed-curl.ts'
import type { OwnAppOptions } from './own-app.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The real CDK on the emulator; every file that it writes lies in `folder`. */
export function createCdk(emulator: Emulator, folder: string) {
  const log = join(folder, 'cdk.log')
  const env = {
    ...awsEnvironment(emulator, root),
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: folder,
  }
  const cdk = [
    path('../../../../node_modules/aws-cdk/bin/cdk'),
    '--no-notices',
    '--no-color',
    '--output',
    join(folder, 'cdk.out'),
  ]
  const outputs = join(folder, 'outputs.json')
  const deployApp = (program: string, options: object, more: string[]): Promise<Finished> => {
    const file = join(folder, 'app.json')
    writeFileSync(file, JSON.stringify(options))
    const app = ['--app', `node ${path(program)} ${file}`]
    const flags = ['--require-approval', 'never', '--method', 'direct', '--outputs-file', outputs]
    return finish(process.execPath, [...cdk, ...app, 'deploy', '--all', ...flags, ...more], { env, log })
  }
  return {
    bootstrap: () =>
      succeed(process.execPath, [...cdk, '--app', '', 'bootstrap', 'aws://000000000000/us-east-1'], {
        env,
        log,
      }),
    /** Deploys an environment as a stack. */
    deploy: (options: AppOptions, ...more: string[]) => deployApp('app.ts', options, more),
    /** Deploys the app of somebody else's. */
    deployOwn: (options: OwnAppOptions) => deployApp('own-app.ts', options, []),
    /** The outputs of a stack, as the last deploy made them. */
    readOutputs: (stack: string): Record<string, string> => JSON.parse(readFileSync(outputs, 'utf8'))[stack],
  }
}

export type Cdk = ReturnType<typeof createCdk>

/** What the test writes into a file for its CDK app. */
export interface AppOptions {
  /** The name of the environment. */
  name: string
  /** The props that JSON can say. */
  environment: Pick<
    ViewkeeperProps,
    | 'alarmEmails'
    | 'nightly'
    | 'refreshOnDeploy'
    | 'iamAuthentication'
    | 'loginUser'
    | 'addSecretsManagerEndpoint'
  >
  /** The server of the test. */
  server: { host: string; port: number; authority: string; databaseName: string }
  /** The ARN of the secret of a role that exists. */
  loginSecret?: string | undefined
  /** That of an administrator: then the app makes its server, and the test's own stands for it. */
  adminSecret?: string
  /** The folder of the schema steps. */
  schemaFolder: string
  /** Folder with the frozen migrations of the views. */
  migrationsFolder: string
}

/** Variables by which clients of AWS find the emulator, and nothing of this machine's own configuration. */
export const awsEnvironment = ({ url }: Emulator, { key, secret }: Credentials) => ({
  AWS_ENDPOINT_URL: url,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: key,
  AWS_SECRET_ACCESS_KEY: secret,
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
})
