import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { variablesOf } from '../../../src/config/variables.ts'
import { readConfiguration } from '../../../src/edge/lambda/configuration.ts'
import { usualTelling } from '../../../src/plan/monitoring/telling.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('the configuration', () => {
  test('has a default for every variable that is not set', () => {
    expect(readConfiguration({})).toMatchObject({
      environment: 'local',
      administration: undefined,
      schedules: { nightly: null, views: false },
      retention: { successes: 500, days: 90 },
      telling: usualTelling,
      metricsPerView: false,
      longestWaitSeconds: undefined,
      runsAtOnce: Number.POSITIVE_INFINITY,
      deployConcurrency: undefined,
    })
  })

  test('is read from the variables', () => {
    expect(
      readConfiguration({
        VIEWKEEPER_ENVIRONMENT: 'production',
        BATCH_RUNS_AT_ONCE: '4',
        ...variablesOf(
          {
            schedules: { nightly: { at: '02:30', timeZone: 'Europe/Berlin' } },
            retention: { successes: false, days: 7 },
            monitorEveryMinutes: 60,
            remindEveryHours: false,
            metricsPerView: true,
            batchConcurrency: 3,
            batchExchange: 'each',
            maxTwinBytes: 0,
          },
          [
            'schedules',
            'retention',
            'monitorEveryMinutes',
            'remindEveryHours',
            'metricsPerView',
            'batchConcurrency',
            'batchExchange',
            'maxTwinBytes',
          ],
        ),
      }),
    ).toMatchObject({
      environment: 'production',
      schedules: { nightly: { schedule: '30 2 * * *', timeZone: 'Europe/Berlin' }, views: true },
      retention: { successes: null, days: 7 },
      metricsPerView: true,
      telling: { remindSeconds: null, apartSeconds: 5400 },
      runsAtOnce: 4,
      batchDefaults: { exchange: 'each', maxTwinBytes: 0 },
      deployConcurrency: 3,
    })
  })

  test('fetches no secret until a connection is opened', async () => {
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    const fetched = vi
      .spyOn(SecretsManagerClient.prototype, 'send')
      .mockImplementation(async () => ({ SecretString: '{"username":"app","password":"one"}' }))
    const { administration, database } = readConfiguration({
      DATABASE_SECRET_ARN: 'lazy-working',
      DATABASE_ADMIN_SECRET_ARN: 'lazy-administrator',
      DATABASE_HOST: '127.0.0.1',
      DATABASE_PORT: '1',
      DATABASE_CA: 'PEM',
    })
    expect(fetched).not.toHaveBeenCalled()
    expect(administration?.connectionLimit).toBe('half')
    expect(
      readConfiguration({ DATABASE_ADMIN_SECRET_ARN: 'x', CONNECTION_LIMIT: '30' }).administration,
    ).toMatchObject({ connectionLimit: 30 })
    expect(await administration?.workingLogin()).toEqual({ login: 'app', password: 'one' })
    await expect(database.withConnection(async () => {})).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
    })
    await expect(administration?.database.withConnection(async () => {})).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
    })
    expect(fetched.mock.calls.map(([command]) => (command.input as { SecretId: string }).SecretId)).toEqual([
      'lazy-working',
      'lazy-administrator',
    ])
  })
})
