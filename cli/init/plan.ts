import { readFileSync } from 'node:fs'
import { shapesFolder } from '../../src/package-files.ts'
import { binFile, type CdkApp, cdkAppOf, type Facts, isDeployed, parseJson } from './facts.ts'
import {
  binModule,
  cdkJson,
  commandsOf,
  configModule,
  migrationsReadme,
  viewsReadme,
  workflow,
} from './texts.ts'

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
      configModule(app, facts.folders, packageName(facts.name), facts.environment),
    ),
    makeFolder(views, viewsReadme(migrations)),
    makeFolder(migrations, migrationsReadme),
    ...Object.entries(facts.shapes ?? {}).map(([path, text]) => make(path, text)),
    ...(isDeployed(app) ? [make(binFile, binModule)] : []),
    ...(app === 'none' || app === 'own' ? [make('cdk.json', cdkJson)] : []),
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

const construct = ({ migrations }: Facts['folders']): string => `import { Viewkeeper } from 'viewkeeper/cdk'

new Viewkeeper(this, 'Views', {
  environmentName: 'production',
  database, // your rds.DatabaseInstance or rds.DatabaseCluster
  databaseName: 'app',
  vpc,${migrations === 'migrations' ? '' : `\n  migrationsFolder: '${migrations}',`}
})`

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
      'to deploy, fill in what is empty in `environments`, once the second command has made the role:',
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
        ? ['', `what to fill in, and how it is started: node_modules/viewkeeper/docs/serve-shapes.md`]
        : []),
    ]
  if (app === 'javascript')
    return ['to deploy, write this into a stack of your CDK app:', '', ...indented(construct(facts.folders))]
  const deploy = app === 'other' ? `cdk --app 'node ${binFile}' deploy` : 'cdk deploy'
  return [
    `to deploy, write the environment into ${facts.config ?? 'viewkeeper.config.ts'}, then:`,
    '',
    `  ${execute} cdk bootstrap --app ''   # once for each account and region`,
    `  ${execute} ${deploy} -c env=production --all`,
  ]
}

const indented = (text: string): string[] => text.split('\n').map((line) => line && `  ${line}`)
