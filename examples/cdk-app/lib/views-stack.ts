import { fileURLToPath } from 'node:url'
import { Stack } from 'aws-cdk-lib'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import { Code, Function as Lambda, Runtime } from 'aws-cdk-lib/aws-lambda'
import type { Construct } from 'constructs'
import { DatabaseServer, Viewkeeper } from 'viewkeeper/cdk'
import type { ShopStack } from './shop-stack.ts'

/** Viewkeeper beside the company's server, in a stack of its own: if its first deploy fails, the server stays. */
export class ViewsStack extends Stack {
  constructor(scope: Construct, id: string, { database, vpc, pager }: ShopStack) {
    super(scope, id)
    const views = new Viewkeeper(this, 'Viewkeeper', {
      environmentName: 'production',
      database: DatabaseServer.fromInstance(database),
      databaseName: 'shop',
      vpc,
      // The subnets have no NAT.
      addSecretsManagerEndpoint: true,
      nightlyAt: '04:00',
      alarmEmails: ['data-team@example.com'],
      pager,
      migrationsFolder: fileURLToPath(new URL('../migrations/', import.meta.url)),
    })
    const purgeCache = new Lambda(this, 'PurgeCache', {
      runtime: Runtime.NODEJS_22_X,
      handler: 'index.handler',
      code: Code.fromAsset(fileURLToPath(new URL('../lambda/purge-cache', import.meta.url))),
      environment: { CACHE_URL: 'https://cache.example.com' },
    })
    views.onViewRefreshed('Purge', {
      views: ['daily_sales', 'best_days'],
      target: new LambdaFunction(purgeCache),
    })
  }
}
