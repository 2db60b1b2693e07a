import assert from 'node:assert/strict'
import { delimiter, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import context from '../../cdk.context.json' with { type: 'json' }
import { stage } from '../deploy/support/transcript.ts'
import type { Tarball } from './pack.ts'
import { type Place, Team } from './team.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))

const [[network, subnets], [instance, [found]]] = Object.entries(context) as [
  [string, (typeof context)[keyof typeof context] & object],
  [string, Record<string, unknown>[]],
]

/** What CDK asks for a cluster, and the answer of an account that has one. */
const cluster: [string, object[]] = [
  'cc-api-provider:account=123456789012:exactIdentifier=shop-db:propertiesToReturn.0=DBClusterArn' +
    ':propertiesToReturn.1=Endpoint.Address:propertiesToReturn.2=Endpoint.Port:propertiesToReturn.3=ReadEndpoint.Address' +
    ':propertiesToReturn.4=DBClusterResourceId:propertiesToReturn.5=VpcSecurityGroupIds:propertiesToReturn.6=EnableHttpEndpoint' +
    ':region=eu-central-1:typeName=AWS$:$:RDS$:$:DBCluster',
  [
    {
      Identifier: 'shop-db',
      DBClusterArn: 'arn:aws:rds:eu-central-1:123456789012:cluster:shop-db',
      'Endpoint.Address': 'shop-db.cluster-abcdefghijkl.eu-central-1.rds.amazonaws.com',
      'Endpoint.Port': '5432',
      'ReadEndpoint.Address': 'shop-db.cluster-ro-abcdefghijkl.eu-central-1.rds.amazonaws.com',
      DBClusterResourceId: 'cluster-ABCDEFGHIJKL01234',
      VpcSecurityGroupIds: ['sg-0123456789abcdef0'],
      EnableHttpEndpoint: false,
    },
  ],
]

/** The app as it is written, or for a cluster; the keys that CDK asks for, and what an account answers. */
const servers = {
  'an instance': { asked: [network, instance], answers: { [network]: subnets, [instance]: [found] } },
  'a cluster': { asked: [network, cluster[0]], answers: { [network]: subnets, [cluster[0]]: cluster[1] } },
  'a cluster in the VPC of another account': {
    asked: [network, cluster[0]],
    answers: { [network]: { ...subnets, ownerAccountId: '210987654321' }, [cluster[0]]: cluster[1] },
  },
}

/**
 * The first `cdk synth`, as docs/deploy.md says it, of somebody without a built repository, a context file or an account: CDK asks for
 * network and server, and with the answers of an account makes a template. A clone has the Node of the machine, the package that of teams.
 */
export async function synthFirst({ path }: Tarball, place: Place): Promise<void> {
  const ofMachine = place.node.env.PATH.split(delimiter).filter((each) => each !== dirname(process.execPath))
  const clone = new Team('first-synth-of-a-clone', place, { PATH: ofMachine.join(delimiter) })
  await stage('git clone, npm ci', async () => {
    await clone.types(`git clone --quiet ${repository} . && npm ci && rm cdk.context.json`)
  })
  await synthesize(clone, 'infra/app.ts', 'an instance')

  const empty = new Team('first-synth-of-the-package', place)
  await stage('npm install in an empty folder, viewkeeper init', async () => {
    await empty.types(`npm install --save-dev ${path}`)
    await empty.types(/^ +(npm install .+)$/m.exec(await empty.types('npx viewkeeper init'))![1]!)
  })
  for (const server of ['an instance', 'a cluster', 'a cluster in the VPC of another account'] as const)
    await synthesize(empty, 'bin/app.mts', server)
}

async function synthesize(team: Team, app: string, server: keyof typeof servers): Promise<void> {
  const { asked, answers } = servers[server]
  if (server !== 'an instance')
    team.write(
      app,
      team
        .read(app)
        .replaceAll('DatabaseInstance', 'DatabaseCluster')
        .replace('fromInstance', 'fromCluster')
        .replace('instanceId', 'clusterId'),
    )
  await stage(`… cdk synth for ${server}, before and after the look-ups`, async () => {
    const refused = await team.types('npx cdk synth --quiet --no-lookups -c env=production', { expect: 1 })
    assert.deepEqual(/Missing context keys: '(.+)'/.exec(refused)?.[1]?.split(', '), asked)
    assert.doesNotMatch(refused, /\bERROR\b/)
    team.write('cdk.context.json', JSON.stringify(answers))
    await team.types('npx cdk synth --quiet -c env=production && rm cdk.context.json')
    const { Resources } = JSON.parse(team.read('cdk.out/viewkeeper-production.template.json'))
    const groups = Object.values(
      Resources as Record<string, { Type: string; Properties: { GroupId: string } }>,
    )
      .filter(({ Type }) => Type === 'AWS::EC2::SecurityGroupIngress')
      .map(({ Properties }) => Properties.GroupId)
    assert.deepEqual(groups, ['sg-0123456789abcdef0'])
  })
}
