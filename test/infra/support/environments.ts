import { type Environment, parseEnvironments } from '../../../infra/options.ts'
import type { ScheduledView } from '../../../src/catalog/plan/scheduled.ts'
import type { EnvironmentOptions } from '../../../src/config/options.ts'

/**
 * The options of the tests' own environments: users may change infra/environments.ts without breaking a test.
 */
export const created: EnvironmentOptions = {
  database: {
    kind: 'created',
    name: 'app',
    instanceType: 't4g.micro',
    protect: true,
  },
  alarmEmails: ['one@example.com', 'two@example.com'],
  logRetentionDays: 90,
  schedules: { nightly: { at: '02:30', timeZone: 'Europe/Berlin' } },
  batchConcurrency: 3,
  metricsPerView: true,
  tags: { team: 'data' },
}

export const throwaway: EnvironmentOptions = {
  database: { kind: 'created', name: 'app', instanceType: 't4g.micro', protect: false },
  alarmEmails: [],
  refreshOnDeploy: true,
}

export const imported = {
  account: '123456789012',
  region: 'eu-central-1',
  viewOwner: 'app_owner',
  database: {
    kind: 'imported',
    endpoint: 'db.example.com',
    port: 6432,
    name: 'app',
    secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf',
    secretKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/1234',
    securityGroupId: 'sg-0123456789abcdef0',
    certificateAuthority: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    vpc: {
      id: 'vpc-0123456789abcdef0',
      subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
      availabilityZones: ['eu-central-1a', 'eu-central-1b'],
      addSecretsManagerEndpoint: false,
    },
  },
  alarmEmails: ['one@example.com'],
} satisfies EnvironmentOptions

export const importedWithoutNat: EnvironmentOptions = {
  ...imported,
  database: { ...imported.database, vpc: { ...imported.database.vpc, addSecretsManagerEndpoint: true } },
}

/** The same database as `imported`, an Aurora cluster, with a token of IAM instead of a secret. */
export const importedWithIam = {
  ...imported,
  database: {
    kind: 'imported',
    authentication: 'iam',
    endpoint: 'db.example.com',
    name: 'app',
    user: 'viewkeeper_app',
    resourceId: 'cluster-ABCDEFGHIJKL01234',
    securityGroupId: 'sg-0123456789abcdef0',
    vpc: {
      id: 'vpc-0123456789abcdef0',
      subnetIds: ['subnet-0123456789abcdef0'],
      availabilityZones: ['eu-central-1a'],
    },
  },
} satisfies EnvironmentOptions

/** Views with their own schedules, for environments with `schedules.views`. */
export const scheduledViews: ScheduledView[] = [
  { view: 'public.sales', schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' },
  { view: 'public.sales_by_day', schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' },
  { view: 'reports."Odd.Name"', schedule: '*/15 * * * *', timeZone: 'Etc/UTC' },
]

/** One environment with its defaults filled in. */
export const parse = (options: EnvironmentOptions): Environment => parseEnvironments({ test: options }).test!
