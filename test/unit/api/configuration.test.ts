import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { readConfiguration } from '../../../src/api/lambda/configuration.ts'
import { defaults } from '../../../src/config/options.ts'
import { variablesOf } from '../../../src/config/variables.ts'
import { usualTelling } from '../../../src/watch/plan/hearers.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('the configuration', () => {
  test('has a default for every variable that is not set', () => {
    expect(readConfiguration({})).toMatchObject({
      environment: 'local',
      administration: undefined,
      schedules: { nightly: { schedule: '0 2 * * *', timeZone: 'Etc/UTC' }, views: true },
      retention: { successes: 500, days: 90 },
      telling: usualTelling,
      metricsPerView: false,
      programs: null,
      longestWaitSeconds: undefined,
      deployConcurrency: undefined,
    })
  })

  test('is read from the variables', () => {
    expect(
      readConfiguration({
        VIEWKEEPER_ENVIRONMENT: 'production',
        ...variablesOf(
          {
            schedules: { nightly: { at: '02:30', timeZone: 'Europe/Berlin' } },
            retention: { successes: false, days: 7 },
            monitorEveryMinutes: 60,
            remindEveryHours: false,
            metricsPerView: true,
            batchConcurrency: 3,
            batchExchange: 'each',
            maxShadowBytes: 0,
            pageUrl: 'https://views.example',
            runbookUrl: 'https://docs.example',
          },
          [
            'schedules',
            'retention',
            'monitorEveryMinutes',
            'remindEveryHours',
            'metricsPerView',
            'batchConcurrency',
            'batchExchange',
            'maxShadowBytes',
            'pageUrl',
            'runbookUrl',
          ],
        ),
      }),
    ).toMatchObject({
      environment: 'production',
      schedules: { nightly: { schedule: '30 2 * * *', timeZone: 'Europe/Berlin' }, views: true },
      retention: { successes: null, days: 7 },
      metricsPerView: true,
      people: { links: { pageUrl: 'https://views.example', runbookUrl: 'https://docs.example' } },
      telling: { remindSeconds: null, apartSeconds: 5400 },
      batchDefaults: { exchange: 'each', maxShadowBytes: 0 },
      deployConcurrency: 3,
    })
  })

  test('says in every session of the database who owns views, and what is left out', async () => {
    const startUp = vi.spyOn(await import('../../../src/server/connection.ts'), 'connect')
    startUp.mockRejectedValue(new Error('not today'))
    const env = { DATABASE_URL: 'postgres://u:p@127.0.0.1:1/db', VIEW_OWNER: 'them' }
    const told = {
      skipUnchanged: true,
      skipAtMostHours: 6,
    } as const
    const said = variablesOf(told, ['skipUnchanged', 'skipAtMostHours'])
    await expect(readConfiguration({ ...env, ...said }).database.open({})).rejects.toThrow('not today')
    expect(startUp.mock.calls[0]?.[1]).toEqual({
      'viewkeeper.view_owner': 'them',
      'viewkeeper.skip_unchanged': 'true',
      'viewkeeper.skip_at_most_hours': '6',
      'viewkeeper.regular_up_to_ms': String(defaults.regularUpToMs),
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
