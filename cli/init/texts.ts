import cdk from '../../cdk.json' with { type: 'json' }
import { defaults } from '../../src/config/options.ts'
import { type CdkApp, type Facts, isDeployed, type PackageManager } from './facts.ts'

// The texts of the files that `init` makes. Whoever reads them has the docs in node_modules/viewkeeper/docs.

/** The configuration. An app with the construct says in its own code what is deployed. */
export function configModule(
  app: CdkApp,
  { views, migrations }: Facts['folders'],
  name: string,
  environment: string = exampleEnvironment,
): string {
  const environments = `
  // What \`npx cdk deploy -c env=production --all\` deploys. Every field: node_modules/viewkeeper/docs/environments.md
  environments: {
${environment}
  },
`
  return `import { defineConfig } from 'viewkeeper'

export default defineConfig({
  // The definitions of views, and their frozen migrations.
  folders: { views: '${views}', migrations: '${migrations}' },
${app === 'serve' ? served(name) : isDeployed(app) ? environments : ''}})
`
}

const { schedules, batchConcurrency, monitorEveryMinutes, remindEveryHours } = defaults

const served = (name: string) => `
  // What \`npx viewkeeper serve\` does: these are the defaults. Every option: node_modules/viewkeeper/docs/serve-options.md
  serve: {
    // The name that mails, the page, metrics and commands say.
    environment: '${name}',
    // Every view each night, and what definitions say; false: nothing is refreshed by the clock.
    schedules: { nightly: { at: '${schedules.nightly.at}', timeZone: '${schedules.nightly.timeZone}' }, views: ${schedules.views} },
    batchConcurrency: ${batchConcurrency},
    monitorEveryMinutes: ${monitorEveryMinutes},
    remindEveryHours: ${remindEveryHours},
    // Who gets mails, and the server that takes them. To try: npx viewkeeper notify --test
    alarmEmails: [],
    // notify: { smtp: { host: 'smtp.example.com', from: 'viewkeeper@example.com' } },
  },
`

const exampleEnvironment = `    // production: {
    //   region: 'eu-central-1',
    //   // A database that exists already. \`kind: 'created'\` makes one.
    //   database: {
    //     kind: 'imported',
    //     endpoint: 'app.abcdefghijkl.eu-central-1.rds.amazonaws.com',
    //     name: 'app',
    //     // The login of Viewkeeper's own role: npx viewkeeper create-role makes the role and prints the secret.
    //     secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:viewkeeper/production-AbCdEf',
    //     securityGroupId: 'sg-0123456789abcdef0',
    //     vpc: {
    //       id: 'vpc-0123456789abcdef0',
    //       subnetIds: ['subnet-0123456789abcdef0'],
    //       availabilityZones: ['eu-central-1a'],
    //       addSecretsManagerEndpoint: false,
    //     },
    //   },
    //   alarmEmails: ['data-team@example.com'],
    // },`

export const viewsReadme = (migrations: string): string => `# Views

This folder has one file for each view, written with \`defineView\`; \`npx viewkeeper new <view>\` writes one to be filled in. A
deploy does not read the folder: \`npx viewkeeper freeze\` turns a definition into SQL under \`${migrations}/\`.
More: node_modules/viewkeeper/docs/views.md
`

export const migrationsReadme = `# Migrations

\`npx viewkeeper freeze\` writes frozen migrations into this folder. Do not edit them afterwards. Each deploy applies, in order,
the migrations that its database lacks. More: node_modules/viewkeeper/docs/views.md
`

/** The whole CDK app: it deploys the environments of the configuration. */
export const binModule = `import { deployEnvironments } from 'viewkeeper/cdk'

await deployEnvironments()
`

export const cdkJson = `${JSON.stringify(
  {
    app: 'node bin/viewkeeper.mjs',
    // The flags of CDK with which the constructs are tested.
    context: cdk.context,
  },
  null,
  2,
)}
`

interface Commands {
  /** Installs what package.json asks for. */
  install: string
  /** Adds a package to devDependencies. */
  add: string
  /** The same in CI, as the lock file says. */
  installLocked: string
  /** What stands before a command of a package. */
  execute: string
  /** Steps of a workflow that bring the package manager itself. */
  setUp: string[]
}

const node = ['      - uses: actions/setup-node@v7', '        with: { node-version: 24 }']

export const commandsOf: Record<PackageManager, Commands> = {
  npm: {
    install: 'npm install',
    add: 'npm install --save-dev',
    installLocked: 'npm ci',
    execute: 'npx',
    setUp: node,
  },
  pnpm: {
    install: 'pnpm install',
    add: 'pnpm add --save-dev',
    installLocked: 'pnpm install --frozen-lockfile',
    execute: 'pnpm exec',
    setUp: [...node, '      - run: npm install --global pnpm'],
  },
  yarn: {
    install: 'yarn install',
    add: 'yarn add --dev',
    installLocked: 'yarn install',
    execute: 'yarn',
    setUp: [...node, '      - run: corepack enable'],
  },
  bun: {
    install: 'bun install',
    add: 'bun add --dev',
    installLocked: 'bun install --frozen-lockfile',
    execute: 'bunx',
    setUp: [...node, '      - uses: oven-sh/setup-bun@v2'],
  },
}

/** The check in GitHub Actions: it needs no database and no rights. */
export function workflow({ packageManager, inRepository }: Facts): string {
  const { installLocked, execute, setUp } = commandsOf[packageManager]
  const defaults =
    inRepository === ''
      ? ''
      : `    defaults:\n      run:\n        working-directory: ${JSON.stringify(inRepository)}\n`
  return `name: viewkeeper

on:
  push:
    branches: [main]
  pull_request:

permissions:
  contents: read

jobs:
  check:
    runs-on: ubuntu-latest
${defaults}    steps:
      - uses: actions/checkout@v7
${setUp.join('\n')}
      - run: ${installLocked}
      # Whether every view is frozen as it is authored.
      - run: ${execute} viewkeeper drift --offline
`
}
