import assert from 'node:assert/strict'
import { stage } from '../deploy/support/transcript.ts'
import type { Cloud } from './cloud.ts'
import type { Tarball } from './pack.ts'
import { type Place, Team } from './team.ts'

/** A small CDK app with a server of its own, as its team had it before. The emulator knows no NAT, so its network has none. */
const app = (name: string) => `import { App, Stack } from 'aws-cdk-lib'
import { InstanceType, InterfaceVpcEndpointAwsService, IpAddresses, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { Credentials, DatabaseInstance, DatabaseInstanceEngine, PostgresEngineVersion } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'

const stack = new Stack(new App(), '${name}')
const vpc = new Vpc(stack, 'Vpc', {
  ipAddresses: IpAddresses.cidr('10.1.0.0/16'),
  availabilityZones: ['us-east-1a', 'us-east-1b'],
  natGateways: 0,
  subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
})
vpc.addInterfaceEndpoint('SecretsManager', { service: InterfaceVpcEndpointAwsService.SECRETS_MANAGER, open: false })
const database = new DatabaseInstance(stack, 'Database', {
  engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17 }),
  instanceType: new InstanceType('t4g.micro'),
  vpc,
  vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
  databaseName: 'app',
  credentials: Credentials.fromSecret(Secret.fromSecretCompleteArn(stack, 'Admin', process.env.ADMIN_SECRET)),
})
`

/** What the team adds: the import, and one construct. */
const added = (environment: string) => `
new Viewkeeper(stack, 'Viewkeeper', {
  environmentName: '${environment}',
  database: DatabaseServer.fromInstance(database),
  databaseName: 'app',
  vpc,
  certificateAuthority: process.env.AUTHORITY,
})
`

const commonJs = `import { defineView } from 'viewkeeper'
import { Viewkeeper, type ViewkeeperProps } from 'viewkeeper/cdk'

const props: Partial<ViewkeeperProps> = { environmentName: 'old' }
const view = defineView({ name: 'sales', query: 'select 1 as id', uniqueKey: ['id'] })
if (props.environmentName === 'old' && view) console.log(Viewkeeper.name, 'sales')
`

/** A team with a CDK app and a server of its own installs the package, and adds one construct. */
export async function addToOwnApp(
  { path }: Tarball,
  place: Place & { cloud: Cloud; environment: string },
): Promise<void> {
  const { cloud, environment, node } = place
  const before = app(environment)
  const team = new Team(`own-app-node-${node.version}`, place)
  const { database } = cloud
  const env = { ...cloud.env, ADMIN_SECRET: cloud.adminSecret, AUTHORITY: database.authority }
  team.write('package.json', '{ "name": "shop", "private": true, "type": "module" }\n')
  team.write('bin/shop.js', before)
  team.write('cdk.json', '{ "app": "node bin/shop.js" }\n')
  await stage(`Node ${node.version}: an app with a server of its own`, () =>
    team.types('npm install aws-cdk@2 aws-cdk-lib@2 constructs@10'),
  )
  await stage('… npm install, and viewkeeper init keeps the app', async () => {
    await team.types(`npm install --save-dev ${path}`)
    const output = await team.types('npx viewkeeper init')
    assert.match(output, /new Viewkeeper\(/)
    assert.equal(team.read('cdk.json'), '{ "app": "node bin/shop.js" }\n')
    assert.equal(team.read('bin/shop.js'), before)
  })
  await stage('… author and freeze', async () => {
    await team.types('npx viewkeeper new weekly')
    team.write(
      'views/weekly.sql',
      "select date_trunc('week', day) as week, sum(amount) as amount from public.sale group by 1\n",
    )
    team.write('views/weekly.ts', team.read('views/weekly.ts').replace("['id']", "['week']"))
    await team.types('npx viewkeeper freeze -m "the sum of each week"', {
      env: { DATABASE_URL: database.url },
    })
  })
  await stage('… cdk deploy with one construct more', async () => {
    team.write(
      'bin/shop.js',
      `import { DatabaseServer, Viewkeeper } from 'viewkeeper/cdk'\n${before}${added(environment)}`,
    )
    await team.types(cloud.deployOf('bin/shop.js'), { env })
  })
  await stage('… TypeScript that is compiled to CommonJS, as in older CDK apps', async () => {
    team.write('old/package.json', '{ "type": "commonjs" }\n')
    team.write('old/app.ts', commonJs)
    await team.types('npm install --save-dev typescript@5.6')
    await team.types(
      'npx tsc --strict --target es2022 --module commonjs --moduleResolution node10 --skipLibCheck old/app.ts',
    )
    assert.match(await team.types('node old/app.js'), /Viewkeeper sales/)
  })
  await stage('… viewkeeper refresh weekly --env', async () => {
    assert.match(
      await team.types(`npx viewkeeper refresh weekly --env ${environment}`, { env }),
      /✓ weekly .+ run \d+/,
    )
  })
  await database.sql.unsafe('drop materialized view public.weekly; drop schema viewkeeper cascade')
}
