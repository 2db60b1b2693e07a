import assert from 'node:assert/strict'
import { Template } from 'aws-cdk-lib/assertions'
import { stage } from '../deploy/support/transcript.ts'
import type { Tarball } from '../package/pack.ts'
import type { Place } from '../package/team.ts'
import { Example } from './example.ts'

/** An app makes its server: it is synthesized without an account. The deploy test deploys the stack of the server. */
export async function tryCreatedDatabase(tarball: Tarball, place: Place): Promise<void> {
  const app = new Example('created-database', tarball, place)
  await stage('created-database: install, synth', () =>
    app.follows('On your machine, with Node 22.18 or later'),
  )
  const [shop, views] = ['Shop', 'ShopViews'].map((stack) =>
    Template.fromJSON(JSON.parse(app.team.read(`cdk.out/${stack}.template.json`))),
  ) as [Template, Template]
  shop.hasResourceProperties('AWS::RDS::DBInstance', {
    MultiAZ: true,
    DeletionProtection: true,
    BackupRetentionPeriod: 14,
    StorageEncrypted: true,
  })
  views.hasResourceProperties('AWS::SSM::Parameter', { Name: '/viewkeeper/production' })
  views.resourceCountIs('AWS::EC2::VPCEndpoint', 1)
  assert.deepEqual(app.left, [])
}
