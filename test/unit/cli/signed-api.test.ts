import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { apiOf } from '../../../cli/api/api-of.ts'
import {
  type FakeAnswer,
  problem,
  type Received,
  secret,
  startApi,
  startParameters,
  withoutPerson,
} from '../../support/api/fake-api.ts'
import { until } from '../../support/waiting/until.ts'

let environments = 0

/** An environment of its own name, because an API is looked up once; with its API. */
async function deployed(answerTo?: (request: Received, turn: number) => FakeAnswer) {
  const name = `test-${++environments}`
  const { url, received } = await startApi(answerTo)
  const { asked } = await startParameters({ [name]: { apiUrl: `${url}/` } })
  return { name, url, received, asked }
}

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  )

describe('--env', () => {
  test('finds the API in the parameter of the environment, once, and signs each request whole', async () => {
    const { name, url, received, asked } = await deployed()
    const api = await apiOf({ env: name })
    expect(api).toMatchObject({ name, environment: name, url })
    await api.send('POST', '/views/app.sales/refresh', {
      body: { strategy: 'swap' },
      wait: 20,
      idempotencyKey: 'k1',
    })
    await (await apiOf({ env: name })).send('GET', '/runs', {
      query: { view: '"Odd, Name" + é/%', since: '2026-11-20T00:00:00Z' },
    })
    expect(asked).toEqual([`/viewkeeper/${name}`])
    expect(received).toMatchObject([
      { method: 'POST', url: '/views/app.sales/refresh', body: '{"strategy":"swap"}' },
      { method: 'GET' },
    ])
    for (const { signature } of received)
      expect(signature).toMatchObject({ keyId: 'AKIATEST', region: 'eu-central-1', service: 'execute-api' })
    expect(received[0]?.signature?.headers).toEqual(
      expect.arrayContaining(['content-type', 'host', 'idempotency-key', 'prefer', 'x-amz-date']),
    )
    expect(Object.fromEntries(new URLSearchParams(received[1]?.url.split('?')[1]))).toEqual({
      view: '"Odd, Name" + é/%',
      since: '2026-11-20T00:00:00Z',
    })
  })

  test('is VIEWKEEPER_ENV if it is not written, and the token of a session is sent', async () => {
    const { name, received } = await deployed()
    vi.stubEnv('VIEWKEEPER_ENV', name)
    vi.stubEnv('AWS_SESSION_TOKEN', 'session')
    await (await apiOf({})).send('GET', '/views')
    expect(received[0]?.headers['x-amz-security-token']).toBe('session')
    expect(received[0]?.signature?.headers).toContain('x-amz-security-token')
  })

  test('with --url goes to that address, and reads no parameter', async () => {
    const { url, received } = await startApi()
    const { asked } = await startParameters({})
    const api = await apiOf({ env: 'other-address', url })
    expect(api).toMatchObject({ environment: 'other-address', url })
    await api.send('GET', '/views')
    expect(received[0]?.signature).not.toBeNull()
    expect(asked).toEqual([])
  })

  test('never signs for an address that is not encrypted', async () => {
    await startParameters({ open: { apiUrl: 'http://api.example/' } })
    for (const options of [{ env: 'open' }, { env: 'any', url: 'http://10.0.0.1' }])
      expect(await refusal(apiOf(options))).toMatchObject({
        code: 'InvalidRequest',
        message: expect.stringContaining('not encrypted'),
      })
  })

  test('names a view by its id if its name has to be encoded, and asks for the id once', async () => {
    const listed = [
      { views: [{ id: 3, view: 'app.sales', schema: 'app', name: 'sales' }], next: 'app.sales' },
      { views: [{ id: 8, view: 'app."Odd/Näme"', schema: 'app', name: 'Odd/Näme' }], next: null },
    ]
    const { name, received } = await deployed(({ url }) => ({
      body: url.startsWith('/views?') ? listed[1] : url === '/views' ? listed[0] : {},
    }))
    const api = await apiOf({ env: name })
    const path = `/views/${encodeURIComponent('app."Odd/Näme"')}`
    await api.send('POST', `${path}/refresh`)
    await api.forward({ method: 'GET', path: `${path}?a=1`, headers: {} })
    expect(received.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /views',
      'GET /views?cursor=app.sales',
      'POST /views/8/refresh',
      'GET /views/8?a=1',
    ])
    for (const { signature } of received) expect(signature).not.toBeNull()
  })

  test.each([
    ['"No"', 'UnknownView', 'is not a materialized view'],
    ['"Twice"', 'InvalidRequest', 'a."Twice" and b."Twice"'],
    ['"New"', 'UnknownView', 'has no id yet'],
  ])('%s, which has to be encoded, is refused without a request', async (view, code, words) => {
    const of = (schema: string, name: string, id: number | null) => ({
      id,
      view: `${schema}."${name}"`,
      schema,
      name,
    })
    const { name, received } = await deployed(() => ({
      body: { views: [of('a', 'Twice', 1), of('b', 'Twice', 2), of('a', 'New', null)], next: null },
    }))
    const api = await apiOf({ env: name })
    expect(await refusal(api.send('GET', `/views/${encodeURIComponent(view)}`))).toMatchObject({
      code,
      message: expect.stringContaining(words),
    })
    expect(received.map(({ url }) => url)).toEqual(['/views'])
  })
})

test('an address of API Gateway is signed for its region', async () => {
  await startParameters({})
  const fetched = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => Response.json({}))
  onTestFinished(() => fetched.mockRestore())
  const url = 'https://abc.execute-api.us-west-2.amazonaws.com/v1'
  const api = await apiOf({ url })
  expect(api).toMatchObject({ name: url, environment: null, url })
  await api.send('GET', '/views')
  const [address, options] = fetched.mock.calls[0] as [URL, { headers: Record<string, string> }]
  expect(address.href).toBe(`${url}/views`)
  expect(options.headers.authorization).toContain('/us-west-2/execute-api/')
})

describe('credentials', () => {
  test('are asked for again when they expire', async () => {
    const { name, received } = await deployed()
    const folder = credentialProcess(`"Expiration": "${new Date(Date.now() + 60_000).toISOString()}"`)
    useProfile(folder)
    const api = await apiOf({ env: name })
    // The SDK fetches them in the background while the old ones are still valid.
    const isRenewed = async () => {
      await api.send('GET', '/views')
      return received.at(-1)?.signature?.keyId !== received[0]?.signature?.keyId
    }
    await until('they are renewed', isRenewed)
  })

  test('that are missing are found once they are there, also in a file that was read before', async () => {
    const { name, received } = await deployed()
    const api = await apiOf({ env: name })
    const file = join(temporary(), 'credentials')
    writeFileSync(file, '')
    for (const each of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(each, undefined)
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file)
    expect(await refusal(api.send('GET', '/views'))).toMatchObject({ reason: 'NoCredentials' })
    writeFileSync(file, `[default]\naws_access_key_id = LATER\naws_secret_access_key = ${secret}\n`)
    await api.send('GET', '/views')
    expect(received).toMatchObject([{ signature: { keyId: 'LATER' } }])
  })

  test('that API Gateway calls expired are looked up anew, and the request is sent once more', async () => {
    const { name, received } = await deployed((_, turn) =>
      turn === 1
        ? { status: 403, body: { message: 'The security token included in the request is expired' } }
        : { body: { turn } },
    )
    const folder = credentialProcess('"SessionToken": "t"')
    useProfile(folder)
    expect(await (await apiOf({ env: name })).send('POST', '/batches')).toMatchObject({ body: { turn: 2 } })
    const keys = received.map(({ signature }) => signature?.keyId)
    expect(keys).toHaveLength(2)
    expect(keys[1]).not.toBe(keys[0])
  })
})

describe('what to do is told', () => {
  test('if there is no such environment', async () => {
    await startParameters({})
    const error = await refusal(apiOf({ env: 'productoin' }))
    expect(error).toMatchObject({ code: 'InvalidRequest' })
    expect(error.message).toContain('Did you mean --env production?')
    expect((await refusal(apiOf({ env: 'production' }))).message).toContain(
      '`npx cdk deploy -c env=production` deploys it',
    )
  })

  test.each(['Prod', '../x', 'a b', '-x', ''])('if "%s" is no name of an environment', async (env) => {
    const { asked } = await startParameters({})
    if (env === '') vi.stubEnv('PORT', '1')
    const work = apiOf({ env })
    expect(await refusal(work)).toMatchObject({ code: 'InvalidRequest' })
    expect(asked).toEqual([])
  })

  test('if the environment has no API', async () => {
    await startParameters({ inside: { text: 'none,none' } })
    expect(await refusal(apiOf({ env: 'inside' }))).toMatchObject({
      code: 'InvalidRequest',
      message:
        'inside has no HTTP API (api: false): with --env, only migrate, drift, adopt and doctor work there.',
    })
  })

  test.each(['', '{}', 'nowhere,none'])('if the parameter says %s', async (text) => {
    await startParameters({ changed: { text } })
    expect(await refusal(apiOf({ env: 'changed' }))).toMatchObject({
      code: 'InvalidRequest',
      message:
        'The parameter /viewkeeper/changed does not say where an API is: somebody has changed it. Deploy changed again.',
    })
  })

  test.each([
    ['AccessDeniedException', 400, 'NotAllowed', 'viewkeeper-closed-read-eu-central-1'],
    ['ExpiredTokenException', 400, 'NoCredentials', 'aws sso login --profile mine'],
    ['UnrecognizedClientException', 400, 'NoCredentials', 'aws sts get-caller-identity'],
  ])('if SSM says %s', async (error, status, reason, words) => {
    await startParameters({ closed: { error, status } })
    const folder = credentialProcess('"SessionToken": "t"')
    useProfile(folder)
    expect(await refusal(apiOf({ env: 'closed' }))).toMatchObject({
      reason,
      message: expect.stringContaining(words),
    })
  })

  test('if nobody is signed in', async () => {
    withoutPerson()
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    expect(await refusal(apiOf({ env: 'nobody' }))).toMatchObject({
      reason: 'NoCredentials',
      message: expect.stringContaining('aws sso login'),
    })
  })

  test('if the session of SSO has expired', async () => {
    withoutPerson()
    vi.stubEnv('AWS_CONFIG_FILE', join(expiredSso(), 'config'))
    vi.stubEnv('AWS_PROFILE', 'work')
    expect(await refusal(apiOf({ env: 'sso' }))).toMatchObject({
      reason: 'NoCredentials',
      message: expect.stringMatching(/expired.*`aws sso login --profile work`/),
    })
  })

  test('if no region is known', async () => {
    await startParameters({})
    vi.stubEnv('AWS_REGION', undefined)
    expect(await refusal(apiOf({ env: 'nowhere' }))).toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringContaining('AWS_REGION'),
    })
  })

  test.each([
    ['GET', '/views', 'viewkeeper-NAME-read'],
    ['POST', '/batches', 'viewkeeper-NAME-refresh'],
    ['POST', '/pause', 'viewkeeper-NAME-operate'],
    ['POST', '/views/app.sales/drop', 'viewkeeper-NAME-define'],
  ] as const)('if the caller may not %s %s: %s', async (method, path, policy) => {
    const { name } = await deployed(() => ({ status: 403, body: { message: 'Forbidden' } }))
    const error = await refusal((await apiOf({ env: name })).send(method, path))
    expect(error).toMatchObject({ reason: 'NotAllowed' })
    expect(error.message).toContain(
      `may not ${method} ${path} of ${name}. The managed policy ${policy.replace('NAME', name)}-eu-central-1 allows`,
    )
  })

  test('if the policies have another name than the environment, and its address is written', async () => {
    const forbidden = () => ({ status: 403, body: { message: 'Forbidden' } })
    const { url } = await startApi(forbidden)
    await startParameters({ renamed: { text: `${url}/,none,none,none,none,none,shop-2` } })
    const policyIn = async (env: string, address?: string) => {
      const { message } = await refusal((await apiOf({ env, url: address })).send('GET', '/views'))
      return /managed policy (\S+) allows/.exec(message)?.[1]
    }
    expect(await policyIn('renamed')).toBe('viewkeeper-shop-2-read-eu-central-1')
    expect(await policyIn('at-address', url)).toBe('viewkeeper-at-address-read-eu-central-1')
  })

  test.each([
    [429, { message: null }, 'TooManyRequests', 'requestsPerSecond'],
    [500, { message: 'Internal Server Error' }, 'NoAnswer', 'a minute to wake'],
    [
      504,
      { message: 'Endpoint request timed out' },
      'NoAnswer',
      'API Gateway says: Endpoint request timed out.',
    ],
  ])('if API Gateway answers %i itself', async (status, body, reason, words) => {
    const { name } = await deployed(() => ({ status, body }))
    const error = await refusal((await apiOf({ env: name })).send('POST', '/pause'))
    expect(error).toMatchObject({ reason, message: expect.stringContaining(words) })
  })

  test('if an API answers too late', async () => {
    const { name } = await deployed(() => problem(503, 'GatewayTimeout'))
    const api = await apiOf({ env: name })
    const late = vi
      .spyOn(AbortSignal, 'timeout')
      .mockReturnValue(AbortSignal.abort(new DOMException('', 'TimeoutError')))
    onTestFinished(() => late.mockRestore())
    expect(await refusal(api.send('POST', '/batches'))).toMatchObject({
      reason: 'NoAnswer',
      message: expect.stringContaining('may have begun all the same'),
    })
  })
})

/** A profile `mine` whose credentials come from a program that counts its calls: each call gives another key. */
function credentialProcess(more: string): string {
  const folder = temporary()
  const program = join(folder, 'credentials.mjs')
  writeFileSync(
    program,
    `import { appendFileSync, readFileSync } from 'node:fs'
appendFileSync(${JSON.stringify(join(folder, 'calls'))}, '.')
const calls = readFileSync(${JSON.stringify(join(folder, 'calls'))}).length
console.log(JSON.stringify({ Version: 1, AccessKeyId: 'KEY' + calls, SecretAccessKey: ${JSON.stringify(secret)}, ${more} }))
`,
  )
  writeFileSync(
    join(folder, 'config'),
    `[profile mine]\ncredential_process = ${process.execPath} ${program}\n`,
  )
  return folder
}

/** Leaves only the profile of {@link credentialProcess} as a source of credentials. */
function useProfile(folder: string): void {
  for (const each of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(each, undefined)
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
  vi.stubEnv('AWS_PROFILE', 'mine')
}

/** A home with a profile `work` of SSO whose session is over. */
function expiredSso(): string {
  const folder = temporary()
  const start = 'https://example.awsapps.com/start'
  writeFileSync(
    join(folder, 'config'),
    `[profile work]\nregion = eu-central-1\nsso_start_url = ${start}\nsso_region = eu-central-1\nsso_account_id = 123456789012\nsso_role_name = operator\n`,
  )
  mkdirSync(join(folder, '.aws/sso/cache'), { recursive: true })
  const token = {
    accessToken: 'x',
    expiresAt: '2026-01-01T00:00:00Z',
    region: 'eu-central-1',
    startUrl: start,
  }
  const file = `${createHash('sha1').update(start).digest('hex')}.json`
  writeFileSync(join(folder, '.aws/sso/cache', file), JSON.stringify(token))
  vi.stubEnv('HOME', folder)
  return folder
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}
