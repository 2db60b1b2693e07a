import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { awsEnvironment, createCdk } from '../deploy/support/apps/cdk.ts'
import { mustStop } from '../deploy/support/cleanup.ts'
import { createAws, root } from '../deploy/support/emulator/aws.ts'
import { type Emulator, startEmulator } from '../deploy/support/emulator/emulator.ts'
import { preparePython } from '../deploy/support/emulator/python.ts'
import { startDatabase, type TestDatabase } from '../deploy/support/project/database.ts'
import { stage } from '../deploy/support/transcript.ts'

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** An AWS account of a team: the emulator, a PostgreSQL that its functions reach, and the team's credentials. */
export interface Cloud {
  emulator: Emulator
  database: TestDatabase
  /** The ARN of the secret of Viewkeeper's role. */
  roleSecret: string
  /** The ARN of the secret of the server's administrator. */
  adminSecret: string
  /** The variables of a shell in which `aws`, `cdk` and `viewkeeper` reach the account. */
  env: NodeJS.ProcessEnv
  /** The options of `cdk deploy` for an app that is started by this command. */
  deployOf(app: string): string
}

export async function startCloud({ cache, folder }: { cache: string; folder: string }): Promise<Cloud> {
  const python = await stage('python with the emulator', () =>
    preparePython(cache, join(folder, 'python.log')),
  )
  const emulator = await stage('emulator of AWS, with IAM', () => startEmulator(python, folder))
  const database = await stage('PostgreSQL with TLS, and viewkeeper create-role', () =>
    startDatabase(join(folder, 'database')),
  )
  mustStop('database', database)
  await database.sql.unsafe('grant create on schema public to viewkeeper_views')
  const aws = createAws(emulator)
  const { username, password } = new URL(database.url)
  const cdk = createCdk(emulator, folder)
  await stage('cdk bootstrap', cdk.bootstrap)
  return {
    emulator,
    database,
    roleSecret: await aws.createSecret('role', database.secret),
    adminSecret: await aws.createSecret('admin', JSON.stringify({ username, password })),
    env: {
      ...awsEnvironment(emulator, root),
      EMULATOR_URL: emulator.url,
      // The names of APIs and of the database's certificate are the only ones that AWS would resolve.
      NODE_OPTIONS: `--import ${file('../deploy/support/project/api-name.mjs')}`,
      TEST_SERVER: JSON.stringify({ host: 'localhost', port: database.port }),
    },
    deployOf: (app) =>
      `npx cdk deploy --all --require-approval never --method direct --no-notices --app "node --import ${file('emulated-app.mjs')} ${app}"`,
  }
}
