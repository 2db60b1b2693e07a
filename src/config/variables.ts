import { Problem } from '../problem.ts'
import { defaults, type ViewkeeperOptions } from './options.ts'

/** Reads a variable that people set, too: any other word is refused. */
const oneOf =
  <const Word extends string>(variable: string, words: readonly Word[]) =>
  (text: string): Word => {
    const word = words.find((each) => each === text)
    if (word !== undefined) return word
    throw new Problem(
      'InvalidRequest',
      `${variable} is ${JSON.stringify(text)}. Set it to ${words.join(' or ')}, or to nothing.`,
      { field: variable },
    )
  }

const isTrue = (variable: string) => {
  const read = oneOf(variable, ['true', 'false'])
  return (text: string): boolean => read(text) === 'true'
}

/**
 * The options that functions obey. Each function is told an option by a variable of the same name: `batchConcurrency` by
 * `BATCH_CONCURRENCY`. A text stands there as it is, all else as JSON.
 */
const options = {
  viewOwner: String,
  readOnReplicas: isTrue('READ_ON_REPLICAS'),
  withoutKey: oneOf('WITHOUT_KEY', ['swap', 'fail']),
  regularUpToMs: JSON.parse,
  skipUnchanged: isTrue('SKIP_UNCHANGED'),
  skipAtMostHours: JSON.parse,
  schedules: JSON.parse,
  batchConcurrency: JSON.parse,
  batchExchange: String,
  maxShadowBytes: JSON.parse,
  retention: JSON.parse,
  monitorEveryMinutes: JSON.parse,
  remindEveryHours: JSON.parse,
  metricsPerView: JSON.parse,
  pageUrl: String,
  runbookUrl: String,
  eventBus: (text: string) => (text === 'false' ? false : text),
} satisfies { [name in keyof ViewkeeperOptions]?: (text: string) => unknown }

/** The name of an option that functions obey. */
export type FunctionOption = keyof typeof options

/** The options that a function is told. */
export type FunctionOptions = Pick<ViewkeeperOptions, FunctionOption>

/** The variables that tell a function these options. One that has no value has no variable. */
export const variablesOf = (
  told: FunctionOptions,
  names: readonly FunctionOption[],
): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = told[name]
      return value === undefined
        ? []
        : [[variableOf(name), typeof value === 'string' ? value : JSON.stringify(value)]]
    }),
  )

/** The options that the variables tell. */
export const optionsOf = (env: NodeJS.ProcessEnv): FunctionOptions =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, read]) => {
      const text = env[variableOf(name)]
      return text === undefined ? [] : [[name, read(text)]]
    }),
  )

/** The options about readers: how `auto` spares them, and what is left out because nothing has changed for them. */
export const aboutReaders = [
  'readOnReplicas',
  'withoutKey',
  'regularUpToMs',
  'skipUnchanged',
  'skipAtMostHours',
] as const

/** What the options say to every session of the database: who owns its views, and what is about readers. */
export function saidToDatabase(
  options: FunctionOptions,
): Pick<FunctionOptions, 'viewOwner' | (typeof aboutReaders)[number]> {
  const told = { regularUpToMs: defaults.regularUpToMs, ...options }
  return Object.fromEntries((['viewOwner', ...aboutReaders] as const).map((name) => [name, told[name]]))
}

const variableOf = (option: string): string => option.replace(/[A-Z]/g, '_$&').toUpperCase()
