import * as z from 'zod'
import { createdDatabase, importedDatabase } from './database.ts'
import {
  environmentName,
  hasUseForEndpoint,
  inWords,
  noUseForEndpoint,
  OptionsError,
  optionFields,
  problemsOf,
} from './valid-options.ts'

const environment = z.strictObject({
  ...optionFields,
  account: z
    .string()
    .regex(/^\d{12}$/, 'must be twelve digits')
    .optional(),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must look like "eu-central-1"')
    .optional(),
  database: z.discriminatedUnion('kind', [createdDatabase, importedDatabase]),
  alarmEmails: z.array(z.email()),
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
})

const environments = z.record(environmentName, environment.refine(hasUseForEndpoint, noUseForEndpoint))

/** An environment as zod reads it. Types alone compare it with `EnvironmentOptions`. */
export type ReadEnvironment = z.input<typeof environment>

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
  const result = environments.safeParse(options, inWords)
  if (result.success) return result.data
  throw new OptionsError([`${file} is not valid:`, ...problemsOf(result.error)].join('\n  '))
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
