import * as z from 'zod'
import { inWords, problemsOf } from '../../src/config/field.ts'
import { type Notify, serveOptions } from '../../src/config/fields.ts'
import type { EnvironmentOptions, ServeOptions } from '../../src/config/options.ts'
import { Problem } from '../../src/problem.ts'

/** The options of an environment on AWS that mean nothing here, each with what to do instead. */
const meaningless: Record<Exclude<keyof EnvironmentOptions, keyof ServeOptions>, string> = {
  account: 'there is no AWS account: leave it out',
  region: 'there is no AWS region: leave it out',
  tags: 'there are no AWS resources: leave it out',
  database: 'the database is the one of DATABASE_URL or DATABASE_URL_FILE',
  logRetentionDays: 'log lines go to the standard output: what keeps them says for how long',
  requestsPerSecond: 'open requests have a limit of their own; a limit by time is that of a proxy',
  reservedConcurrency: 'requests share the connections of this process: start more copies instead',
  memorySize: 'give the container or the unit its memory',
  refreshOnDeploy: 'new views are filled when they are made; refresh all with: npx viewkeeper refresh --all',
  metricsPerView: 'the metrics of this process always name the views',
  eventBus: 'there is no bus of EventBridge: leave it out',
  tracing: 'there is no X-Ray: leave it out',
}

const serving = z.strictObject({ serve: serveOptions })

/**
 * The options of a project, with the defaults of `notify`. Refuses (InvalidRequest) those that mean nothing without AWS, each with
 * what to do instead, names that are none, and values that are not valid. All mistakes are listed together.
 */
export function checkOptions(options: object, file: string): { options: ServeOptions; notify: Notify } {
  const isOfAws = (name: string): name is keyof typeof meaningless => Object.hasOwn(meaningless, name)
  const ofAws = Object.keys(options).filter(isOfAws)
  const here = Object.fromEntries(Object.entries(options).filter(([name]) => !isOfAws(name)))
  const result = serving.safeParse({ serve: here }, inWords)
  if (result.success && ofAws.length === 0) return { options, notify: result.data.serve.notify }
  const mistakes = [
    ...ofAws.map((name) => `serve.${name}: ${meaningless[name]}`),
    ...(result.success ? [] : problemsOf(result.error)),
  ]
  throw new Problem('InvalidRequest', [`${file} is not valid:`, ...mistakes].join('\n  '), { field: 'serve' })
}
