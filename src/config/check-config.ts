import { Problem } from '../problem.ts'
import { nearest } from '../sql/nearest.ts'
import type { Config } from './config.ts'

/**
 * A configuration that a file exports. Refuses (InvalidRequest) what is none, and lists all mistakes by field. What an
 * environment says is checked when it is deployed.
 */
export function checkConfig(file: string, exported: unknown): Config {
  const mistakes = isObject(exported)
    ? mistakesIn(exported)
    : ['it exports no configuration: write "export default defineConfig({})"']
  if (mistakes.length === 0) return exported as Config
  throw new Problem('InvalidRequest', [`${file} is not valid:`, ...mistakes].join('\n  '))
}

function mistakesIn(config: Record<string, unknown>): string[] {
  const { folders = {}, environments = {}, serve = {} } = config
  return [
    ...unknownFields(config, ['folders', 'environments', 'serve']),
    ...(isObject(folders)
      ? [
          ...unknownFields(folders, ['views', 'migrations'], 'folders.'),
          ...Object.entries(folders)
            .filter(([, folder]) => typeof folder !== 'string' || folder === '')
            .map(([name]) => `folders.${name} must be the path of a folder`),
        ]
      : ["folders must be an object, such as { views: 'views', migrations: 'migrations' }"]),
    ...(isObject(environments)
      ? Object.entries(environments)
          .filter(([, environment]) => !isObject(environment))
          .map(([name]) => `environments.${name} must be an object`)
      : ['environments must be an object, with each environment by its name']),
    ...(isObject(serve) ? [] : ['serve must be an object, such as { batchConcurrency: 4 }']),
  ]
}

function unknownFields(of: Record<string, unknown>, fields: string[], path = ''): string[] {
  return Object.keys(of)
    .filter((name) => !fields.includes(name))
    .map((name) => {
      const meant = nearest(name, fields)
      const hint = meant === undefined ? `the fields are ${fields.join(', ')}` : `did you mean ${meant}?`
      return `${path}${name} is not a field: ${hint}`
    })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
