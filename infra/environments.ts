import type { EnvironmentOptions } from '../src/config/options.ts'

/**
 * The environments that this repository deploys: `viewkeeper.config.ts` takes them from here. A team writes its own into its
 * own `viewkeeper.config.ts`. The values are examples, one of each kind of database; docs/environments.md lists all options with
 * their defaults.
 */
export const environments: Record<string, EnvironmentOptions> = {
  // A database that the stack creates, in its own network without any way to the internet. You pay for the
  // server, and about 7.30 USD a month for an endpoint of Secrets Manager.
  production: {
    database: {
      kind: 'created',
      name: 'app',
      postgresVersion: '18',
      instanceType: 't4g.medium',
      storageGiB: 20,
      maxStorageGiB: 200,
      protect: true,
    },
    alarmEmails: ['data-team@example.com'],
    logRetentionDays: 90,
    logLevel: 'INFO',
    schedules: { nightly: { at: '09:00', timeZone: 'Etc/UTC' } },
    batchConcurrency: 2,
    tags: { team: 'data' },
  },

  // A database that exists already. Viewkeeper works with its own role; `npx viewkeeper create-role` makes
  // that role.
  staging: {
    region: 'eu-central-1',
    database: {
      kind: 'imported',
      endpoint: 'app.abcdefghijkl.eu-central-1.rds.amazonaws.com',
      port: 5432,
      name: 'app',
      secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:viewkeeper/staging-AbCdEf',
      secretKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555',
      securityGroupId: 'sg-0123456789abcdef0',
      vpc: {
        id: 'vpc-0123456789abcdef0',
        subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
        availabilityZones: ['eu-central-1a', 'eu-central-1b'],
        addSecretsManagerEndpoint: false,
      },
    },
    alarmEmails: ['data-team@example.com'],
    refreshOnDeploy: true,
  },

  // The smallest environment, to try things out. If you remove it, its data are lost.
  dev: {
    database: { kind: 'created', name: 'app', instanceType: 't4g.micro', protect: false },
    alarmEmails: [],
    logRetentionDays: 7,
    logLevel: 'DEBUG',
  },
}
