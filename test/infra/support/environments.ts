import { TimeZone } from 'aws-cdk-lib'
import type { ViewkeeperProps } from '../../../infra/props.ts'
import type { ScheduledView } from '../../../src/catalog/plan/scheduled.ts'

/** An environment of the tests: on a server that the app makes in another stack, or on one that is there. */
export interface TestEnvironment extends Partial<Omit<ViewkeeperProps, 'database' | 'vpc'>> {
  server: 'made' | 'found'
  env?: { account: string; region: string }
}

export const created: TestEnvironment = {
  server: 'made',
  addSecretsManagerEndpoint: true,
  alarmEmails: ['one@example.com', 'two@example.com'],
  logRetention: 90,
  nightlyAt: '02:30',
  nightlyTimeZone: TimeZone.EUROPE_BERLIN,
  batchConcurrency: 3,
  metricsPerView: true,
}

export const throwaway: TestEnvironment = {
  server: 'made',
  addSecretsManagerEndpoint: true,
  refreshOnDeploy: true,
}

export const secretArn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf'

export const imported = {
  server: 'found',
  env: { account: '123456789012', region: 'eu-central-1' },
  viewOwner: 'app_owner',
  certificateAuthority: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  alarmEmails: ['one@example.com'],
} satisfies TestEnvironment

export const importedWithoutNat: TestEnvironment = { ...imported, addSecretsManagerEndpoint: true }

/** Views with their own schedules, for environments with `viewSchedules`. */
export const scheduledViews: ScheduledView[] = [
  { view: 'public.sales', schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' },
  { view: 'public.sales_by_day', schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' },
  { view: 'reports."Odd.Name"', schedule: '*/15 * * * *', timeZone: 'Etc/UTC' },
]
