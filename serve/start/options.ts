import type { ServeOptions } from '../../src/config/serve-options.ts'
import { Problem } from '../../src/problem.ts'
import { nearest } from '../../src/sql/nearest.ts'

/** The options of an environment on AWS that mean nothing here, each with what to do instead. */
const meaningless: Record<string, string> = {
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

const known: { [name in keyof Required<ServeOptions>]: true } = {
  viewOwner: true,
  readOnReplicas: true,
  withoutKey: true,
  regularUpToMs: true,
  skipUnchanged: true,
  skipAtMostHours: true,
  alarmEmails: true,
  notify: true,
  pageUrl: true,
  runbookUrl: true,
  logLevel: true,
  schedules: true,
  batchConcurrency: true,
  batchExchange: true,
  maxShadowBytes: true,
  retention: true,
  monitorEveryMinutes: true,
  remindEveryHours: true,
}

/**
 * Refuses (InvalidRequest) options that mean nothing without AWS, each with what to do instead, and names that are none. All
 * mistakes are listed together.
 */
export function insistOnMeaning(options: object, file: string): void {
  const mistakes = Object.keys(options).flatMap((name) => {
    if (Object.hasOwn(known, name)) return []
    const reason = meaningless[name]
    const meant = nearest(name, Object.keys(known))
    const hint = reason ?? `it is not an option: ${meant ? `did you mean ${meant}?` : 'see docs/serve.md'}`
    return [`serve.${name}: ${hint}`]
  })
  if (mistakes.length > 0)
    throw new Problem('InvalidRequest', [`${file} is not valid:`, ...mistakes].join('\n  '), {
      field: 'serve',
    })
}
