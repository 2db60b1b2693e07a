import type { EnvironmentOptions } from '../src/config/options.ts'

/**
 * The environments that this repository deploys: `viewkeeper.config.ts` takes them from here. A team writes its own into its
 * own `viewkeeper.config.ts`. `npx cdk deploy -c env=<name> --all` deploys one. docs/deploy.md lists all fields with their
 * defaults. The values below are examples.
 */
export const environments: Record<string, EnvironmentOptions> = {
  // A database that the stack creates, in its own network without any way to the internet. You pay for the
  // server, and about 7.30 USD a month for each zone with an endpoint of Secrets Manager (two zones with
  // multiAz, else one).
  production: {
    // Where to deploy: add region: 'eu-central-1' and account: '123456789012'. By default the region and the
    // account of the credentials that deploy are used.
    database: {
      kind: 'created',
      // The database inside the server.
      name: 'app',
      // Major version: 15, 16, 17 or 18.
      postgresVersion: '18',
      // Size of the server, without the leading "db.".
      instanceType: 't4g.medium',
      // The storage at the start, and the most to which RDS may grow it, in GiB.
      storageGiB: 20,
      maxStorageGiB: 200,
      // A standby in a second zone, at about twice the price.
      multiAz: true,
      // Days for which backups are kept, and the time at which they are made (UTC). Keep it away from your
      // schedules.
      backupDays: 14,
      backupWindow: '01:00-02:00',
      // The weekly time (UTC) at which RDS may restart the server.
      maintenanceWindow: 'Sun:03:00-Sun:04:00',
      // The addresses of the network. Choose them before the first deploy: two networks with the same addresses
      // cannot be peered.
      cidr: '10.0.0.0/16',
      // RDS refuses to remove the database. If it is removed later on, a last snapshot is kept.
      protect: true,
      // authentication: 'iam', for tokens instead of passwords: no secret, and no endpoint to pay for. Not for a micro.
      // rotateSecretDays: 30, for a new password every 30 days.
    },
    // The role that owns the views that Viewkeeper creates: viewOwner: 'app_owner'. Without it, viewkeeper_views
    // owns them, and needs the right to read your tables.
    // The addresses that get the alarms. Each confirms once, by the link in its first mail.
    alarmEmails: ['data-team@example.com'],
    // Days for which logs are kept.
    logRetentionDays: 90,
    // The least severe level that functions log: DEBUG, INFO, WARN or ERROR.
    logLevel: 'INFO',
    // Requests a second that the HTTP API accepts. Each opens one or two connections to the database.
    requestsPerSecond: 20,
    // Every view is refreshed each night, in dependency order. Views with a schedule of their own follow that
    // schedule, too, unless `schedules` has views: false.
    schedules: { nightly: { at: '09:00', timeZone: 'Etc/UTC' } },
    // Views that a batch refreshes at once. Each uses one connection and one processor of the server.
    batchConcurrency: 2,
    // Tags of every resource, for your bill.
    tags: { team: 'data' },
  },

  // A database that exists already. Viewkeeper works with its own role; `npx viewkeeper create-role` makes
  // that role.
  staging: {
    region: 'eu-central-1',
    database: {
      kind: 'imported',
      // The host name of the instance or of the cluster's writer, as in the server's certificate. Never a
      // proxy.
      endpoint: 'app.abcdefghijkl.eu-central-1.rds.amazonaws.com',
      port: 5432,
      name: 'app',
      // The whole ARN of a secret with the username and the password of that role.
      secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:viewkeeper/staging-AbCdEf',
      // The customer key that encrypts the secret. Leave it out if AWS manages the key.
      secretKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555',
      // The database's security group; the stack adds one rule that lets the functions in.
      securityGroupId: 'sg-0123456789abcdef0',
      // certificateAuthority: PEM text, if an authority other than RDS signed the server's certificate.
      vpc: {
        id: 'vpc-0123456789abcdef0',
        // Private subnets for the functions, and the zone of each, in the same order.
        subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
        availabilityZones: ['eu-central-1a', 'eu-central-1b'],
        // True if these subnets have neither NAT nor an endpoint of Secrets Manager. The endpoint costs about
        // 7.30 USD a month for each zone.
        addSecretsManagerEndpoint: false,
      },
    },
    alarmEmails: ['data-team@example.com'],
    // Every view is refreshed after each deploy that changed code or migrations. There are no schedules.
    refreshOnDeploy: true,
  },

  // The smallest environment, to try things out. If you remove it, its data are lost.
  dev: {
    database: { kind: 'created', name: 'app', instanceType: 't4g.micro', protect: false },
    // Nobody is mailed.
    alarmEmails: [],
    logRetentionDays: 7,
    logLevel: 'DEBUG',
    // Without schedules and refreshOnDeploy, only requests refresh views.
  },
}
