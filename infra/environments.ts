import type { EnvironmentOptions } from './environment/environment.ts'

/**
 * Your environments: one deployed copy each, `npx cdk deploy -c env=<name>`. This file is yours; an upgrade does
 * not touch it. All fields with their defaults: docs/deploy.md. The values below are examples.
 */
export const environments: Record<string, EnvironmentOptions> = {
  // A database that the stack creates, in a network of its own that has no way to the internet. It costs the
  // server, and about 7.30 USD a month for each zone with an endpoint of Secrets Manager (two with multiAz, else one).
  production: {
    // Where to deploy, like region: 'eu-central-1' and account: '123456789012'. Left out, both are those of the
    // credentials that deploy.
    database: {
      kind: 'created',
      // The database inside the server.
      name: 'app',
      // Major version: 15, 16, 17 or 18.
      postgresVersion: '18',
      // Size of the server, without the leading "db.".
      instanceType: 't4g.medium',
      // Storage at the start, and up to which RDS may grow it, GiB.
      storageGiB: 20,
      maxStorageGiB: 200,
      // A standby in a second zone, at about twice the price.
      multiAz: true,
      // Days for which backups are kept, and when they are made (UTC), away from your schedules.
      backupDays: 14,
      backupWindow: '01:00-02:00',
      // Refuses removal, and keeps a last snapshot when it is removed after all.
      protect: true,
    },
    // Who is told when something is wrong. Each address confirms once, by the link in its first mail.
    alarmEmails: ['data-team@example.com'],
    // Days for which logs are kept.
    logRetentionDays: 90,
    // Least severe level that is logged: DEBUG, INFO, WARN or ERROR.
    logLevel: 'INFO',
    // Requests a second that the HTTP API lets through. Each takes a connection or two of the database.
    requestsPerSecond: 20,
    // Every view each night, in dependency order; and each view that was authored with a schedule, at its own time
    // (views: false turns those off).
    schedules: { nightly: { at: '09:00', timeZone: 'Etc/UTC' } },
    // Views that such a batch refreshes at once. Each takes a connection and a processor of the server.
    batchConcurrency: 2,
    // Tags of every resource, for your bill.
    tags: { team: 'data' },
  },

  // A database that exists already. Viewkeeper works with a role of its own in it: `npm run create-role`.
  staging: {
    region: 'eu-central-1',
    database: {
      kind: 'imported',
      // The host name that is in the server's certificate: the instance or the cluster's writer, never a proxy.
      endpoint: 'app.abcdefghijkl.eu-central-1.rds.amazonaws.com',
      port: 5432,
      name: 'app',
      // A secret with username and password of that role, by its whole ARN.
      secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:viewkeeper/staging-AbCdEf',
      // The customer key that encrypts the secret; leave it out for the key that AWS manages.
      secretKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555',
      // The database's security group; the stack adds one rule that lets the functions in.
      securityGroupId: 'sg-0123456789abcdef0',
      // certificateAuthority: PEM text, only where the certificate is not signed by the roots of RDS.
      vpc: {
        id: 'vpc-0123456789abcdef0',
        // Private subnets for the functions, and the zone of each in the same order.
        subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
        availabilityZones: ['eu-central-1a', 'eu-central-1b'],
        // True where these subnets have neither NAT nor an endpoint of Secrets Manager: about 7.30 USD a month
        // for each zone.
        addSecretsManagerEndpoint: false,
      },
    },
    alarmEmails: ['data-team@example.com'],
    // Every view after each deploy that changed code or migrations; nothing by the clock.
    refreshOnDeploy: true,
  },

  // The smallest one, to try things out. Removing it removes its data.
  dev: {
    database: { kind: 'created', name: 'app', instanceType: 't4g.micro', protect: false },
    // Nobody is mailed.
    alarmEmails: [],
    logRetentionDays: 7,
    logLevel: 'DEBUG',
    // Neither schedules nor refreshOnDeploy: nothing is refreshed until somebody asks.
  },
}
