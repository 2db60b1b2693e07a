import assert from 'node:assert/strict'
import { Match, Template } from 'aws-cdk-lib/assertions'
import { stage } from '../deploy/support/transcript.ts'
import type { Tarball } from '../package/pack.ts'
import type { Place } from '../package/team.ts'
import { besideOthers, Example } from './example.ts'

/** A company with a VPC and a server of its own adds the construct: its app is synthesized, and its views are refreshed. */
export async function tryCdkApp(tarball: Tarball, place: Place): Promise<void> {
  const app = new Example('cdk-app', tarball, place, await besideOthers())
  await stage('cdk-app: install, synth, dev, migrate, a batch of three views', async () => {
    assert.match(await app.follows('On your machine, with Node 22.18 or later'), /3 of 3 views refreshed/)
    assert.deepEqual(await app.rows('select day::text, amount::int from best_days'), [
      ['2026-11-01', 42],
      ['2026-11-02', 8],
    ])
  })
  await stage('cdk-app: it has types, and its frozen views are those authored', async () => {
    await app.team.types('npx tsc')
    await app.team.types('npx viewkeeper drift --offline')
  })
  await stage('cdk-app: what the templates deploy', async () => inspect(templatesOf(app)))
  assert.deepEqual(app.left, [])
}

const templatesOf = ({ team }: Example) =>
  ['Shop', 'ShopViews'].map((stack) =>
    Template.fromJSON(JSON.parse(team.read(`cdk.out/${stack}.template.json`))),
  ) as [Template, Template]

function inspect([shop, views]: [Template, Template]): void {
  shop.resourceCountIs('AWS::RDS::DBInstance', 1)
  // Rules of the server's group stand with who comes in, so the company's own stack needs nothing of Viewkeeper's.
  shop.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0)
  views.hasResourceProperties('AWS::EC2::SecurityGroupIngress', { Description: 'The database' })
  views.hasResourceProperties('AWS::SSM::Parameter', { Name: '/viewkeeper/production' })
  views.resourceCountIs('AWS::EC2::VPCEndpoint', 1)
  const [purgeCache] = Object.keys(
    views.findResources('AWS::Lambda::Function', {
      Properties: { Environment: { Variables: { CACHE_URL: Match.anyValue() } } },
    }),
  )
  assert.ok(purgeCache)
  views.hasResourceProperties('AWS::Events::Rule', {
    EventPattern: {
      'detail-type': ['ViewRefreshed'],
      detail: { environment: ['production'], view: Match.arrayWith(['public.daily_sales']) },
    },
    Targets: [Match.objectLike({ Arn: { 'Fn::GetAtt': [purgeCache, 'Arn'] } })],
  })
  // Incidents wake people by the company's own topic.
  views.hasResourceProperties('AWS::CloudWatch::Alarm', {
    AlarmName: 'viewkeeper-production-incidents',
    AlarmActions: Match.arrayWith([{ 'Fn::ImportValue': Match.stringLikeRegexp('Pager') }]),
  })
  const schedules = Object.values(views.findResources('AWS::Scheduler::Schedule'))
  const crons = schedules.map(({ Properties }) => Properties.ScheduleExpression)
  for (const cron of ['cron(0 4 * * ? *)', 'cron(5 * * * ? *)']) assert.ok(crons.includes(cron), crons.join())
}
