import type { ViewkeeperOptions } from './options.ts'

/**
 * The options that functions obey. Each function is told an option by a variable of the same name: `batchConcurrency` by
 * `BATCH_CONCURRENCY`. A text stands there as it is, all else as JSON.
 */
const options = {
  viewOwner: String,
  schedules: JSON.parse,
  batchConcurrency: JSON.parse,
  batchExchange: String,
  maxTwinBytes: JSON.parse,
  retention: JSON.parse,
  monitorEveryMinutes: JSON.parse,
  remindEveryHours: JSON.parse,
  metricsPerView: JSON.parse,
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

const variableOf = (option: string): string => option.replace(/[A-Z]/g, '_$&').toUpperCase()
