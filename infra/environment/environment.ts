import * as z from 'zod'
import { shortName, textLike } from '../../src/config/fields.ts'
import { told } from '../../src/config/told.ts'
import { createdDatabase, importedDatabase } from './database.ts'
import { OptionsError, optionFields, parseOptions } from './valid-options.ts'

/** One environment: where it is deployed, its database, and all other options. */
export const environment = z.strictObject({
  ...optionFields,
  account: told(
    textLike(/^\d{12}$/, 'must be twelve digits').optional(),
    'AWS account, twelve digits.',
    'that of your credentials',
  ),
  region: told(
    textLike(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must look like "eu-central-1"').optional(),
    'AWS region.',
    'that of your credentials',
  ),
  database: told(
    z.discriminatedUnion('kind', [createdDatabase, importedDatabase]),
    'Created by a stack of its own, or imported.',
  ),
  alarmEmails: told(
    z.array(z.email()),
    'Addresses that get the mails. Each confirms once, by a link. May be empty.',
  ),
  tags: told(
    z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
    'Tags of every resource besides `viewkeeper:environment`.',
    'none',
  ),
})

const environments = z.record(shortName, environment)

/** An environment after validation, with every default filled in. */
export type Environment = z.output<typeof environment>

/**
 * Validates every environment. The error lists all mistakes, each with the name of its field, under the name of the file
 * that has them.
 */
export function parseEnvironments(
  options: unknown,
  file = 'viewkeeper.config.ts',
): Record<string, Environment> {
  return parseOptions(environments, options, `${file} is not valid:`)
}

/** The environment that `-c env=<name>` names. If it names none, the error lists the known ones. */
export function chooseEnvironment(
  options: unknown,
  name: unknown,
  file = 'viewkeeper.config.ts',
): { name: string; environment: Environment } {
  const environments = parseEnvironments(options, file)
  const environment = typeof name === 'string' && Object.hasOwn(environments, name) && environments[name]
  if (environment) return { name: name as string, environment }
  const known = Object.keys(environments).join(', ')
  if (known === '') throw new OptionsError(`${file} has no environment: add one to \`environments\``)
  const problem = name === undefined ? 'no environment is named' : `there is no environment "${name}"`
  throw new OptionsError(`${problem}: write -c env=<name> with one of: ${known} (${file})`)
}

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
