import type { Environment } from './environment.ts'
import { OptionsError } from './valid-options.ts'

/** What the command line says about this one deploy, and no file remembers. */
export interface DeployContext {
  /** Whether the deploy applies the views' migrations. `-c viewMigrations=false`: only the schema steps. */
  viewMigrations: boolean
  /** Whether the deploy may upgrade the created server to another major version: `-c upgradeTo=<postgresVersion>`. */
  majorUpgrade: boolean
}

/**
 * Reads `-c viewMigrations=…` and `-c upgradeTo=…`. `upgradeTo` repeats `postgresVersion` of the environment, so that
 * nobody upgrades a server by a wrong line in a file, and the next deploy is without the permission again.
 */
export function readDeployContext(
  context: (key: string) => unknown,
  { name, environment }: { name: string; environment: Environment },
): DeployContext {
  const viewMigrations = String(context('viewMigrations') ?? true)
  if (!['true', 'false'].includes(viewMigrations))
    throw new OptionsError(`-c viewMigrations=${viewMigrations}: write true or false`)
  const upgradeTo = context('upgradeTo')
  if (upgradeTo !== undefined) insistOnVersion(String(upgradeTo), name, environment)
  return { viewMigrations: viewMigrations === 'true', majorUpgrade: upgradeTo !== undefined }
}

function insistOnVersion(upgradeTo: string, name: string, { database }: Environment): void {
  if (database.kind === 'imported')
    throw new OptionsError(
      `-c upgradeTo=${upgradeTo}: the database of ${name} is imported; upgrade its server where it was made`,
    )
  if (database.postgresVersion !== upgradeTo)
    throw new OptionsError(
      `-c upgradeTo=${upgradeTo}: postgresVersion of ${name} is ${database.postgresVersion}; write the new version there, too`,
    )
}
