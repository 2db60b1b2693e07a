import { expect, test } from 'vitest'
import { checkOptions } from '../../../serve/start/serve.ts'
import type { ServeOptions } from '../../../src/config/options.ts'

const mistakesIn = (options: object) => {
  try {
    checkOptions(options, 'viewkeeper.config.ts')
    return []
  } catch (error) {
    const [head, ...mistakes] = (error as Error).message.split('\n  ')
    expect(head).toBe('viewkeeper.config.ts is not valid:')
    return mistakes
  }
}

test('options that are valid stay as they are, and the channels have their defaults', () => {
  const options: ServeOptions = {
    schedules: { nightly: { at: '05:00', timeZone: 'Europe/Berlin' } },
    monitorEveryMinutes: false,
    notify: { smtp: { host: 'smtp.example.com', from: 'viewkeeper@example.com' } },
  }
  expect(checkOptions(options, 'viewkeeper.config.ts')).toEqual({
    options,
    notify: { smtp: options.notify?.smtp, webhooks: {}, chat: {} },
  })
})

test.each([
  [{ viewOwner: '' }, 'serve.viewOwner: must be the name of a role, at most 63 ASCII characters'],
  [{ regularUpToMs: -1 }, 'serve.regularUpToMs: Too small: expected number to be >=0'],
  [{ skipUnchanged: 1 }, 'serve.skipUnchanged: Invalid input: expected boolean, received number'],
  [{ skipAtMostHours: 721 }, 'serve.skipAtMostHours: Too big: expected number to be <=720'],
  [{ alarmEmails: ['ops'] }, 'serve.alarmEmails.0: Invalid email address'],
  // What stands in the code of a CDK app for what only a deploy knows.
  [{ pageUrl: `\${Token[Url.12]}` }, 'serve.pageUrl: must be an address such as "https://views.example.com"'],
  [
    { runbookUrl: 'runbook' },
    'serve.runbookUrl: must be an address such as "https://docs.example.com/docs/runbook.html"',
  ],
  [{ logLevel: 'debug' }, 'serve.logLevel: Invalid option: expected one of "DEBUG"|"INFO"|"WARN"|"ERROR"'],
  [
    { schedules: { nightly: { timeZone: 'Berlin' } } },
    'serve.schedules.nightly.timeZone: must be the IANA name of a time zone: "Europe/Berlin", "UTC"',
  ],
  [{ batchConcurrency: 65 }, 'serve.batchConcurrency: Too big: expected number to be <=64'],
  [{ batchExchange: 'both' }, 'serve.batchExchange: Invalid option: expected one of "together"|"each"'],
  [{ maxShadowBytes: 0.5 }, 'serve.maxShadowBytes: Invalid input: expected int, received number'],
  [{ retention: { days: 0 } }, 'serve.retention.days: Too small: expected number to be >=1'],
  [
    { notify: { webhooks: { cache: { url: 'ftp://example.com' } } } },
    'serve.notify.webhooks.cache.url: must be an address such as "https://hooks.example.com/viewkeeper"',
  ],
  [{ notify: { smtp: { host: 'smtp.example.com' } } }, 'serve.notify.smtp.from: is required'],
  [{ batchConcurency: 4 }, 'serve.batchConcurency: unknown field: did you mean batchConcurrency?'],
])('%j is refused by the name of its field', (options, mistake) => {
  expect(mistakesIn(options)).toEqual([mistake])
})

test('the name of a channel is short, and all mistakes are told together', () => {
  expect(mistakesIn({ batchConcurrency: 0, notify: { chat: { Team: {} } } })).toEqual([
    'serve.batchConcurrency: Too small: expected number to be >=1',
    expect.stringMatching(/^serve\.notify\.chat\.Team: the name must have at most 20 lower-case letters/),
  ])
})
