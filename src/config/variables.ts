import { Problem } from '../words/problem.ts'
import { type CommonOptions, defaults } from './options.ts'

/** Reads the text of a variable. */
type VariableReader = (text: string, variable: string) => unknown

/** People set some of them, too: any other word is refused. */
const oneOf =
  (...words: string[]): VariableReader =>
  (text, variable) => {
    if (words.includes(text)) return text
    const problem = `${variable} is ${JSON.stringify(text)}. Set it to ${words.join(' or ')}, or to nothing.`
    throw new Problem('InvalidRequest', problem, { field: variable })
  }
const isTrue: VariableReader = (...said) => oneOf('true', 'false')(...said) === 'true'
const json: VariableReader = (text) => JSON.parse(text)

/** The options of an environment on AWS that its functions know. */
interface OfFunctions extends CommonOptions {
  readonly metricsPerView?: boolean
  readonly eventBus?: string | false
}

/**
 * The options that functions obey. Each function is told an option by a variable of the same name: `batchConcurrency` by
 * `BATCH_CONCURRENCY`. A text stands there as it is, all else as JSON.
 */
const options = {
  viewOwner: String,
  regularUpToMs: json,
  skipUnchanged: isTrue,
  skipAtMostHours: json,
  schedules: json,
  batchConcurrency: json,
  batchExchange: String,
  maxShadowBytes: json,
  retention: json,
  monitorEveryMinutes: json,
  remindEveryHours: json,
  quiet: json,
  metricsPerView: json,
  pageUrl: String,
  runbookUrl: String,
  eventBus: (text) => text !== 'false' && text,
} satisfies { [name in keyof OfFunctions]?: VariableReader }

/** The name of an option that functions obey. */
export type FunctionOption = keyof typeof options

/** The options that a function is told. */
export type FunctionOptions = Pick<OfFunctions, FunctionOption>

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
      const variable = variableOf(name)
      const text = env[variable]
      return text === undefined ? [] : [[name, read(text, variable)]]
    }),
  )

/** The options about readers: how `auto` spares them, and what is left out because nothing has changed for them. */
export const aboutReaders = ['regularUpToMs', 'skipUnchanged', 'skipAtMostHours'] as const

/** What the options say to every session of the database: who owns its views, and what is about readers. */
export function saidToDatabase(
  options: FunctionOptions,
): Pick<FunctionOptions, 'viewOwner' | (typeof aboutReaders)[number]> {
  const told = { regularUpToMs: defaults.regularUpToMs, ...options }
  return Object.fromEntries((['viewOwner', ...aboutReaders] as const).map((name) => [name, told[name]]))
}

const variableOf = (option: string): string => option.replace(/[A-Z]/g, '_$&').toUpperCase()
