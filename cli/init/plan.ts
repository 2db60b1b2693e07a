import { binFile, type CdkApp, cdkAppOf, isDeployed, parseJson } from './cdk-app.ts'
import type { Facts } from './facts.ts'
import { binModule, cdkJson, configModule, migrationsReadme, viewsReadme, workflow } from './texts.ts'

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
export const usesGitHub = ({ gitRoot, exists }: Facts): boolean =>
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
