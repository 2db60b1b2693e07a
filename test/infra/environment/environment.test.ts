import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type * as z from 'zod'
import { environments } from '../../../infra/environments.ts'
import { type environment, parseEnvironments } from '../../../infra/options.ts'
import { chooseEnvironment } from '../../../infra/viewkeeper-stack.ts'
import { mostConcurrent } from '../../../src/batch/plan/plan.ts'
import type { EnvironmentOptions } from '../../../src/config/options.ts'

import { created, imported, parse } from '../support/environments.ts'
import { createStack, databaseOf } from '../support/synth.ts'

describe("the users' examples", () => {
  test('are valid, one of each kind', () => {
    const kinds = Object.entries(parseEnvironments(environments)).map(([name, { database }]) => [
      name,
      database.kind,
    ])
    expect(Object.fromEntries(kinds)).toEqual({ production: 'created', staging: 'imported', dev: 'created' })
  })

  test('protect the production database', () => {
    const stack = databaseOf(createStack(environments.production!))
    expect(stack.one('AWS::RDS::DBInstance')[1]).toMatchObject({
      Properties: { DeletionProtection: true, StorageEncrypted: true },
      DeletionPolicy: 'Snapshot',
    })
  })

  test('refresh every night, at a time of its own in production, and after each deploy in staging', () => {
    const batches = Object.entries(parseEnvironments(environments)).map(
      ([name, { schedules, refreshOnDeploy }]) => [name, schedules, refreshOnDeploy],
    )
    expect(batches).toEqual([
      ['production', { nightly: { at: '09:00', timeZone: 'Etc/UTC' }, views: true }, false],
      ['staging', { nightly: { at: '02:00', timeZone: 'Etc/UTC' }, views: true }, true],
      ['dev', { nightly: { at: '02:00', timeZone: 'Etc/UTC' }, views: true }, false],
    ])
  })
})

/** Zod's types can be written. */
type Writable<T> = T extends object ? { -readonly [Key in keyof T]: Writable<T[Key]> } : T

test('a field that is left out gets its default, and the documented fields are those that are read', () => {
  expectTypeOf<z.input<typeof environment>>().toEqualTypeOf<Writable<EnvironmentOptions>>()
  expect(parse({ ...imported, account: undefined })).toMatchObject({
    logRetentionDays: 30,
    logLevel: 'INFO',
    requestsPerSecond: 8,
    refreshOnDeploy: false,
    batchConcurrency: 2,
    batchExchange: 'together',
    monitorEveryMinutes: 1,
    remindEveryHours: 24,
    schedules: { nightly: { at: '02:00', timeZone: 'Etc/UTC' }, views: true },
    tags: {},
  })
  const { port, ...database } = imported.database
  expect(parse({ ...imported, database }).database).toMatchObject({ port: 5432 })
})

test('all problems are listed together, each with its field', () => {
  const { vpc, ...database } = imported.database
  const options = {
    production: {
      ...created,
      database: { ...created.database, name: 'my-app', storageGB: 20, storageGiB: 1 },
      alarmEmails: ['nobody'],
      logRetentionDays: 31,
      viewOwner: '',
      colour: 'red',
    },
    staging: {
      ...imported,
      database: { ...database, secretArn: 'arn:aws:secretsmanager:x', vpc: { ...vpc, id: 'x' } },
    },
    Dev: created,
    lost: { alarmEmails: [] },
  }
  let message = ''
  try {
    parseEnvironments(options)
  } catch (error) {
    message = (error as Error).message
  }
  const fields = message
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(': ')[0])
  expect(fields.sort()).toEqual([
    'Dev',
    'lost.database',
    'production.alarmEmails.0',
    'production.colour',
    'production.database.name',
    'production.database.storageGB',
    'production.database.storageGiB',
    'production.logRetentionDays',
    'production.viewOwner',
    'staging.database.secretArn',
    'staging.database.vpc.id',
  ])
  expect(message).toMatch(/production\.colour: unknown field/)
  expect(message).toMatch(/production\.logRetentionDays: must be one of 1, 3, 5/)
  expect(message).toMatch(/lost\.database: is required/)
})

test('subnets and zones have to come in pairs', () => {
  const vpc = { ...imported.database.vpc, availabilityZones: ['eu-central-1a'] }
  expect(() => parse({ ...imported, database: { ...imported.database, vpc } })).toThrow(
    /vpc\.availabilityZones: must/,
  )
})

test('authorities may be many, and longer than all variables of a function together', () => {
  const certificate = `-----BEGIN CERTIFICATE-----\n${'MIIB'.repeat(700)}\n-----END CERTIFICATE-----\n`
  const of = (certificateAuthority: string) =>
    parse({ ...imported, database: { ...imported.database, certificateAuthority } })
  expect(of(certificate.repeat(3)).database).toMatchObject({ certificateAuthority: certificate.repeat(3) })
  expect(() => of('MIIB')).toThrow(/database\.certificateAuthority: must be PEM certificates/)
})

const nightly = (said: unknown) => ({ schedules: { nightly: said } })
const refusedFields: [fields: object, message: string][] = [
  [nightly({ at: '24:00' }), 'schedules.nightly.at: must look like "09:00"'],
  [nightly({ timeZone: '+02:00' }), 'schedules.nightly.timeZone: must be the IANA name of a time zone'],
  [nightly({ timeZone: 'europe/berlin' }), 'schedules.nightly.timeZone: must be written "Europe/Berlin"'],
  [{ quiet: { from: '22:00', to: '6:00' } }, 'quiet.to: must look like "09:00"'],
  [{ quiet: { from: '22:00', to: '22:00' } }, 'quiet: to: must not be the time of from'],
  [{ quiet: { from: '22:00', to: '06:00', timeZone: 'Berlin' } }, 'quiet.timeZone: must be the IANA name'],
  [{ quiet: { from: '22:00', to: '06:00', days: ['Sat'] } }, 'quiet.days.0: '],
  [nightly({ hour: 9 }), 'schedules.nightly.hour: unknown field'],
  [nightly(true), 'schedules.nightly: must be false, or like { at: "09:00", timeZone: "Etc/UTC" }'],
  [
    { schedules: { sales: { at: '12:00' } } },
    'schedules.sales: unknown field: the fields are nightly and views',
  ],
  [{ schedules: { views: [] } }, 'schedules.views: '],
  ...[0, mostConcurrent + 1, 1.5].map(
    (wrong) => [{ batchConcurrency: wrong }, 'batchConcurrency: '] as never,
  ),
  ...[0, 61, 1.5, true, '5 minutes'].map(
    (wrong) => [{ monitorEveryMinutes: wrong }, 'monitorEveryMinutes: must be false, or'] as never,
  ),
  ...[0, 721, true].map(
    (wrong) => [{ remindEveryHours: wrong }, 'remindEveryHours: must be false, or'] as never,
  ),
  [
    { database: { ...created.database, storageGiB: 100, maxStorageGiB: 100 } },
    'database.maxStorageGiB: must be at least a tenth more',
  ],
]
test.each(refusedFields)('%j is refused, by the name of the field', (fields, message) => {
  const of = 'database' in fields ? created : imported
  expect(() => parse({ ...of, ...fields } as never)).toThrow(message)
})

test('a batch refreshes as many views at once as it may', () => {
  expect(parse({ ...imported, batchConcurrency: mostConcurrent }).batchConcurrency).toBe(mostConcurrent)
})

test.each([
  [undefined, /^no environment is named: write -c env=<name> with one of: one, two /],
  ['three', /^there is no environment "three": write -c env=<name> with one of: one, two /],
  ['constructor', /^there is no environment "constructor"/],
])('with -c env=%s, the error names the known environments', (name, message) => {
  expect(() => chooseEnvironment({ one: created, two: imported }, name)).toThrow(message)
})

test('the app prints the error as one line, without a stack trace', () => {
  const app = fileURLToPath(new URL('../../../infra/app.ts', import.meta.url))
  let printed = ''
  try {
    execFileSync(process.execPath, [app], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    printed = (error as { stderr: string }).stderr
  }
  expect(printed.trim().split('\n')).toEqual([
    expect.stringMatching(/^no environment is named: .+production, staging, dev/),
  ])
})
