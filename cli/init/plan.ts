import { readFileSync } from 'node:fs'
import cdk from '../../cdk.json' with { type: 'json' }
import { defaults } from '../../src/config/options.ts'
import { shapesFolder } from '../../src/package-files.ts'
import { type AppOptions, appModule, constructLines, exampleApp } from './app.ts'
import {
  binFileOf,
  type CdkApp,
  cdkAppOf,
  type Facts,
  isDeployed,
  type PackageManager,
  parseJson,
} from './facts.ts'

const image = ['Dockerfile', '.dockerignore']

const files = {
  systemd: ['viewkeeper.service'],
  compose: [...image, 'compose.yaml', 'login.sql'],
  kubernetes: [...image, 'kubernetes.yaml'],
}

/** Where `viewkeeper serve` can run by files that the package has. */
export const shapes = Object.keys(files) as Shape[]
export type Shape = keyof typeof files

/** The texts of the files of a shape, by their paths. */
export const readShape = (shape: Shape): Record<string, string> =>
  Object.fromEntries(files[shape].map((file) => [file, readFileSync(new URL(file, shapesFolder), 'utf8')]))

/** What becomes of one file. */
export type PlannedFile =
  | { path: string; does: 'make'; text: string }
  /** The whole new text; `added` says what is new in it. */
  | { path: string; does: 'add'; text: string; added: string }
  | { path: string; does: 'keep' }

/**
 * What `init` makes in a folder, adds to its files, and keeps, in the order in which people are told. Nothing that exists is
 * replaced, so a second plan of the same folder only keeps. Refuses (InvalidRequest) a package.json that is no JSON. Pure.
 */
export function planInit(facts: Facts): PlannedFile[] {
  const app = cdkAppOf(facts)
  const { views, migrations } = facts.folders
  const make = (path: string, text: string): PlannedFile =>
    facts.exists(path) ? { path, does: 'keep' } : { path, does: 'make', text }
  const makeFolder = (folder: string, text: string): PlannedFile =>
    facts.exists(folder) ? { path: `${folder}/`, does: 'keep' } : make(`${folder}/README.md`, text)
  return [
    planPackage(facts, app),
    make(
      facts.config ?? 'viewkeeper.config.ts',
      configModule(app, facts.folders, packageName(facts.name), appOf(facts).region),
    ),
    makeFolder(views, viewsReadme(migrations)),
    makeFolder(migrations, migrationsReadme),
    ...Object.entries(facts.shapes ?? {}).map(([path, text]) => make(path, text)),
    ...(isDeployed(app) ? [make(binFileOf(facts), appModule(appOf(facts)))] : []),
    ...(app === 'none' || app === 'own' ? [make('cdk.json', cdkJson(binFileOf(facts)))] : []),
    ...(usesGitHub(facts) ? [planWorkflow(facts, make)] : []),
    planIgnored(facts, app),
  ]
}

/** Whether checks run in GitHub Actions: unless the repository is built elsewhere. */
const usesGitHub = ({ gitRoot, exists }: Facts): boolean =>
  exists(inRoot(gitRoot, '.github')) ||
  !['.gitlab-ci.yml', 'bitbucket-pipelines.yml', 'azure-pipelines.yml', '.circleci', 'Jenkinsfile'].some(
    (file) => exists(inRoot(gitRoot, file)),
  )

const inRoot = (gitRoot: string, path: string): string => (gitRoot === '' ? path : `${gitRoot}/${path}`)

function planWorkflow(facts: Facts, make: (path: string, text: string) => PlannedFile): PlannedFile {
  // The folders of one repository have a workflow each.
  const ofFolder = facts.inRepository === '' ? '' : `-${packageName(facts.inRepository)}`
  const path = inRoot(facts.gitRoot, `.github/workflows/viewkeeper${ofFolder}.yml`)
  return make(path, workflow(facts))
}

function planPackage({ name, texts, versions }: Facts, app: CdkApp): PlannedFile {
  const path = 'package.json'
  const wanted = Object.entries(versions).filter(([name]) => name === 'viewkeeper' || isDeployed(app))
  // An image of the folder leaves out what is for development.
  const field = app === 'serve' ? 'dependencies' : 'devDependencies'
  const text = texts.get(path)
  if (text === undefined) {
    const fresh = {
      name: packageName(name),
      private: true,
      type: 'module',
      [field]: Object.fromEntries(wanted),
    }
    return { path, does: 'make', text: `${JSON.stringify(fresh, null, 2)}\n` }
  }
  const before = parseJson(path, text)
  const has = new Set(
    ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'].flatMap((field) =>
      Object.keys(before[field] ?? {}),
    ),
  )
  const missing = wanted.filter(([name]) => !has.has(name))
  if (missing.length === 0) return { path, does: 'keep' }
  const packages = { ...before[field], ...Object.fromEntries(missing) }
  const indent = /^[ \t]+/m.exec(text)?.[0] ?? 2
  const end = text.endsWith('\n') ? '\n' : ''
  return {
    path,
    does: 'add',
    text: JSON.stringify({ ...before, [field]: packages }, null, indent) + end,
    added: missing.map(([name, version]) => `${name} ${version}`).join(', '),
  }
}

/** A name that npm takes. */
const packageName = (folder: string): string =>
  folder
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '') || 'views'

function planIgnored({ gitRoot, texts }: Facts, app: CdkApp): PlannedFile {
  const path = '.gitignore'
  const own = texts.get(path)
  const known = [own, texts.get(inRoot(gitRoot, path))].flatMap((text) => text?.split(/\r?\n/) ?? [])
  const plain = new Set(known.map((line) => line.trim().replace(/^\/|\/$/g, '')))
  const wanted = ['node_modules/', '.viewkeeper/', ...(isDeployed(app) ? ['cdk.out/'] : [])]
  const missing = wanted.filter((line) => !plain.has(line.slice(0, -1)))
  if (missing.length === 0) return { path, does: 'keep' }
  const lines = `${missing.join('\n')}\n`
  if (own === undefined) return { path, does: 'make', text: lines }
  const gap = own === '' || own.endsWith('\n') ? '' : '\n'
  return { path, does: 'add', text: `${own}${gap}${lines}`, added: missing.join(', ') }
}

/** What the CDK app of a folder says. */
function appOf({ app = exampleApp, folders: { migrations } }: Facts): AppOptions {
  return migrations === 'migrations' ? app : { ...app, migrationsFolder: migrations }
}

/** What to do after `init`, as lines for people: what to type, and what it is for. Pure. */
export function nextSteps(facts: Facts, deployCommands?: string[]): string[] {
  const { install, add, installLocked, execute } = commandsOf[facts.packageManager]
  const viewkeeper = `${execute} viewkeeper`
  const check = usesGitHub(facts)
    ? []
    : ['', 'in your CI:', '', `  ${installLocked}`, `  ${viewkeeper} drift --offline`]
  return [
    'next:',
    '',
    `  ${install}`,
    `  ${viewkeeper} new sales   # the files of a first view`,
    ...(facts.serves
      ? []
      : [`  ${viewkeeper} adopt --all -m 'What is there'   # or the views that DATABASE_URL has`]),
    `  ${add} ${facts.embeddedPostgres}   # for dev, unless DATABASE_URL names a server`,
    `  ${viewkeeper} dev         # PostgreSQL, API and page on this machine`,
    ...check,
    '',
    ...deploySteps(facts, execute, deployCommands),
  ]
}

function deploySteps(facts: Facts, execute: string, commands?: string[]): string[] {
  if (commands !== undefined)
    return [
      `to deploy what ${binFileOf(facts)} says, once the second command has made the role:`,
      '',
      ...commands.map((each) => `  ${each.replace(/^npx/, execute)}`),
    ]
  const app = cdkAppOf(facts)
  if (app === 'serve')
    return [
      'on your database (node_modules/viewkeeper/docs/without-aws.md):',
      '',
      "  export DATABASE_URL='postgres://user:password@host:5432/database'",
      `  ${execute} viewkeeper adopt --all -m 'What is there'   # your views`,
      `  ${execute} viewkeeper notify --test                    # once somebody is told`,
      `  ${execute} viewkeeper serve                            # schedules, monitor, API and page`,
      ...(facts.shapes
        ? ['', `what to fill in, and how it is started: node_modules/viewkeeper/docs/serve.md#where-it-runs`]
        : []),
    ]
  if (app === 'javascript')
    return [
      'to deploy, write this into a stack of your CDK app, with your VPC and your database:',
      '',
      "  import { Viewkeeper } from 'viewkeeper/cdk'",
      '',
      ...constructLines(appOf(facts)).map((line) => `  ${line}`),
    ]
  const bin = binFileOf(facts)
  const deploy = app === 'other' ? `cdk --app 'node ${bin}' deploy` : 'cdk deploy'
  return [
    `to deploy, write your account, network and database into ${bin}, then:`,
    '',
    `  ${execute} cdk bootstrap --app ''   # once for each account and region`,
    `  ${execute} ${deploy} -c env=production`,
  ]
}

// The texts of the files that `init` makes. Whoever reads them has the docs in node_modules/viewkeeper/docs.

/** The configuration. */
function configModule(
  app: CdkApp,
  { views, migrations }: Facts['folders'],
  name: string,
  region: string,
): string {
  const environments = `
  // Where \`--env production\` is. What it is stands in the CDK app.
  environments: { production: { region: '${region}' } },
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
  // What \`npx viewkeeper serve\` does: these are the defaults. Every option: node_modules/viewkeeper/docs/serve.md#options
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

const viewsReadme = (migrations: string): string => `# Views

This folder has one file for each view, written with \`defineView\`; \`npx viewkeeper new <view>\` writes one to be filled in. A
deploy does not read the folder: \`npx viewkeeper freeze\` turns a definition into SQL under \`${migrations}/\`.
More: node_modules/viewkeeper/docs/views.md
`

const migrationsReadme = `# Migrations

\`npx viewkeeper freeze\` writes frozen migrations into this folder. Do not edit them afterwards. Each deploy applies, in order,
the migrations that its database lacks. More: node_modules/viewkeeper/docs/views.md
`

const cdkJson = (binFile: string): string => `${JSON.stringify(
  {
    app: `node ${binFile}`,
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

const commandsOf: Record<PackageManager, Commands> = {
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
function workflow({ packageManager, inRepository }: Facts): string {
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
