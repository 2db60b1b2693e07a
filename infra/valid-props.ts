import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Duration } from 'aws-cdk-lib'
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler'
import * as z from 'zod'
import { shortName } from '../src/config/fields.ts'
import type { ScheduleOptions, ViewkeeperOptions } from '../src/config/options.ts'
import { inWords, problemsOf } from '../src/config/problems.ts'
import { isRds } from './database/rds-database.ts'
import {
  authentication,
  certificateAuthority,
  connectionLimit,
  databaseName,
  hasWhatItRotates,
  noSecretToRotate,
  rotateSecretDays,
} from './environment/database.ts'
import { optionFields, refuseProps, type ValidOptions } from './environment/valid-options.ts'
import type {
  CdkOptions,
  CdkScheduleOptions,
  InCdkTypes,
  ViewkeeperProps,
  ViewkeeperRdsProps,
} from './viewkeeper-props.ts'

/** The props as the rest of the construct knows them: options with numbers and strings, and paths. */
export type PlainProps<Props = ViewkeeperProps> = Props extends unknown
  ? Omit<Props, keyof CdkOptions | 'rotateSecretEvery' | 'migrationsFolder'> &
      Pick<ViewkeeperOptions, InCdkTypes> & { migrationsFolder?: string; rotateSecretDays?: number }
  : never

/** What is no whole number is refused later, by the name of its prop. */
const whole = { integral: false }

/** Each prop in a type of CDK: the option that it says, and the unit of that. */
const optionOf: Record<string, { option: string; inUnit?: (time: Duration) => number }> = {
  logRetention: { option: 'logRetentionDays' },
  monitorEvery: { option: 'monitorEveryMinutes', inUnit: (time) => time.toMinutes(whole) },
  remindEvery: { option: 'remindEveryHours', inUnit: (time) => time.toHours(whole) },
  rotateSecretEvery: { option: 'rotateSecretDays', inUnit: (time) => time.toDays(whole) },
}

/** Says the props that are in types of CDK as the options of `viewkeeper.config.ts`. */
export const plain = (props: ViewkeeperProps): PlainProps =>
  Object.fromEntries(
    Object.entries(props).map(([prop, value]) => {
      const { option = prop, inUnit } = optionOf[prop] ?? {}
      if (inUnit && value instanceof Duration) return [option, inUnit(value)]
      if (value instanceof URL) return [option, fileURLToPath(value)]
      return [option, prop === 'schedules' && value ? { ...value, ...nightlyOf(value) } : value]
    }),
  ) as PlainProps

/** A cron of EventBridge that comes once a day. */
const onceADay = /^cron\((\d{1,2}) (\d{1,2}) [*?] \* [*?] \*\)$/

function nightlyOf({ nightly }: CdkScheduleOptions): ScheduleOptions {
  if (!(nightly instanceof ScheduleExpression)) return nightly === undefined ? {} : { nightly }
  const [, minute, hour] = onceADay.exec(nightly.expressionString) ?? []
  // What comes at other times is no time of day, and is refused as such.
  const at = minute && hour ? `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}` : nightly.expressionString
  return { nightly: { at, timeZone: nightly.timeZone?.timezoneName ?? 'Etc/UTC' } }
}

/** What is a construct is not looked into. */
const construct = z.any().optional()

/** The fields that describe a server of aws-rds, besides the server. */
const rdsFields = {
  databaseName: databaseName.optional(),
  vpc: construct,
  vpcSubnets: construct,
  authentication: authentication.default('secret'),
  adminSecret: construct,
  loginSecret: construct,
  loginUser: z.string().min(1).max(63).optional(),
  connectionLimit,
  rotateSecretDays,
  certificateAuthority,
  addSecretsManagerEndpoint: z.boolean().optional(),
}

const schema = z
  .strictObject({
    ...optionFields,
    ...rdsFields,
    environmentName: shortName,
    database: z.custom<ViewkeeperProps['database']>(
      (value) => typeof value === 'object' && value !== null && !('dbProxyName' in value),
      {
        error: ({ input }) =>
          input
            ? 'must be the instance or the cluster itself: a proxy ends a run when the caller leaves'
            : 'is required',
      },
    ),
    migrationsFolder: z
      .string()
      .refine((folder) => existsSync(folder), {
        error: ({ input }) => `there is no folder ${resolve(String(input))}`,
      })
      .optional(),
    schemaFolder: z.string().optional(),
    viewMigrations: z.boolean().optional(),
    scheduledViews: z.array(z.any()).optional(),
    topics: construct,
    securityGroup: construct,
    apiDomain: z.object({ domainName: construct, mappingKey: z.string().optional() }).optional(),
    dashboard: z.boolean().optional(),
  } satisfies Record<keyof PlainProps<ViewkeeperRdsProps>, z.ZodType>)
  .refine(hasWhatItRotates, noSecretToRotate)
  .refine(({ authentication: way, loginSecret }) => way === 'secret' || loginSecret === undefined, {
    path: ['loginSecret'],
    message: "must be left out with authentication: 'iam'",
  })
  .refine(({ authentication: way, loginUser }) => way === 'iam' || loginUser === undefined, {
    path: ['loginUser'],
    message: "is only for authentication: 'iam'",
  })
  .refine(({ topics, alarmEmails }) => topics === undefined || alarmEmails.length === 0, {
    path: ['alarmEmails'],
    message: 'must be left out with topics: subscribe the addresses to topics.mail',
  })

/** Whether Viewkeeper works on a server of aws-rds. */
export const isOnRds = (props: PlainProps): props is PlainProps<ViewkeeperRdsProps> => isRds(props.database)

/**
 * The options in the props, with every default filled in. Refuses props that are not valid: the error lists all mistakes,
 * each with the name of its prop, under the path of the construct.
 */
export function validOptions(path: string, props: PlainProps, said: ViewkeeperProps): ValidOptions {
  const result = schema.safeParse(props, inWords)
  const problems = result.success ? databaseProblems(props) : problemsOf(result.error)
  if (!result.success || problems.length > 0) refuseProps(path, inTheirNames(problems, said))
  return result.data
}

/** The problems under the names of the props that were given. */
const inTheirNames = (problems: string[], said: ViewkeeperProps): string[] =>
  Object.entries(optionOf)
    .filter(([prop]) => prop in said)
    .reduce(
      (lines, [prop, { option }]) => lines.map((line) => line.replace(`${option}:`, `${prop}:`)),
      problems,
    )

function databaseProblems(props: PlainProps): string[] {
  const given = props as unknown as Record<string, unknown>
  if (isOnRds(props))
    return ['databaseName', 'vpc']
      .filter((name) => given[name] === undefined)
      .map((name) => `${name}: is required with an instance or a cluster of aws-rds`)
  const forRds = Object.keys(rdsFields).filter((name) => given[name] !== undefined)
  return forRds.map((name) => `${name}: must be left out, it is only for an instance or a cluster of aws-rds`)
}
