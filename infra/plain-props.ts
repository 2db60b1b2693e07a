import { fileURLToPath } from 'node:url'
import { Duration } from 'aws-cdk-lib'
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler'
import type { ScheduleOptions, ViewkeeperOptions } from '../src/config/options.ts'
import type { CdkOptions, CdkScheduleOptions, InCdkTypes } from './cdk-types.ts'
import type { RdsOptions } from './database/rds-options.ts'
import type { ViewkeeperProps } from './viewkeeper-props.ts'

/** The props as the rest of the construct knows them: options with numbers and strings, and paths. */
export type PlainProps<Props = ViewkeeperProps> = Props extends unknown
  ? Omit<Props, keyof CdkOptions | 'rotateSecretEvery' | 'migrationsFolder'> &
      Pick<ViewkeeperOptions, InCdkTypes> & { migrationsFolder?: string; rotateSecretDays?: number }
  : never

/** Each prop in a type of CDK, and the option that it says. */
export const optionOf = {
  logRetention: 'logRetentionDays',
  monitorEvery: 'monitorEveryMinutes',
  remindEvery: 'remindEveryHours',
  rotateSecretEvery: 'rotateSecretDays',
} as const

/** Says the props that are in types of CDK as the options of `viewkeeper.config.ts`. */
export function plain(props: ViewkeeperProps): PlainProps {
  const {
    logRetention,
    monitorEvery,
    remindEvery,
    rotateSecretEvery,
    schedules,
    migrationsFolder,
    ...others
  } = props as ViewkeeperProps & Partial<RdsOptions>
  const said = {
    logRetentionDays: logRetention,
    monitorEveryMinutes: timeIn(monitorEvery, (time) => time.toMinutes(whole)),
    remindEveryHours: timeIn(remindEvery, (time) => time.toHours(whole)),
    rotateSecretDays: timeIn(rotateSecretEvery, (time) => time.toDays(whole)),
    schedules: schedules && { ...schedules, ...nightlyOf(schedules) },
    migrationsFolder: migrationsFolder instanceof URL ? fileURLToPath(migrationsFolder) : migrationsFolder,
  }
  const given = Object.entries(said).filter(([, value]) => value !== undefined)
  return { ...others, ...Object.fromEntries(given) } as PlainProps
}

/** What is no whole number is refused later, by the name of its prop. */
const whole = { integral: false }

const timeIn = (time: unknown, inUnit: (time: Duration) => number): unknown =>
  time instanceof Duration ? inUnit(time) : time

/** A cron of EventBridge that comes once a day. */
const onceADay = /^cron\((\d{1,2}) (\d{1,2}) [*?] \* [*?] \*\)$/

function nightlyOf({ nightly }: CdkScheduleOptions): ScheduleOptions {
  if (!(nightly instanceof ScheduleExpression)) return nightly === undefined ? {} : { nightly }
  const [, minute, hour] = onceADay.exec(nightly.expressionString) ?? []
  // What comes at other times is no time of day, and is refused as such.
  const at = minute && hour ? `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}` : nightly.expressionString
  return { nightly: { at, timeZone: nightly.timeZone?.timezoneName ?? 'Etc/UTC' } }
}
