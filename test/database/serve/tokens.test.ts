import { randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { main } from '../../../cli/program.ts'
import { createToken, makeDoorkeeper } from '../../../serve/tokens.ts'
import type { PolicyName } from '../../../src/api/route.ts'
import { listTokens, revokeToken } from '../../../src/record/tokens/tokens.ts'
import type { Database } from '../../../src/server/database.ts'
import { eachCase } from '../../support/deep.ts'
import { updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { database, sql, url, as } = useDatabase()

const make = (name: string, may: PolicyName = 'read', days: number | null = null) =>
  createToken(sql, { name, may, days, by: 'somebody' })
const bearer = (token: string) => [`Bearer ${token}`]
const refusalOf = (work: Promise<unknown>) =>
  work.then(
    () => 'let in',
    (error) => error.code,
  )

/** What a door that knows nothing yet says to a request of somebody who may read. */
const said = (headers: string[] | undefined) =>
  refusalOf(makeDoorkeeper(database).authorize(headers, 'read', '::1'))

/** The database, and how often it was connected to. */
function counted(): { counting: Database; logins: () => number } {
  let logins = 0
  const counting: Database = {
    ...database,
    withConnection: (work, options) => {
      logins++
      return database.withConnection(work, options)
    },
  }
  return { counting, logins: () => logins }
}

test('a token lets in for what it may and what is below, and for nothing above', async () => {
  const door = makeDoorkeeper(database)
  const headers = bearer(await make('rights', 'refresh'))
  const ask = (needed: PolicyName) => door.authorize(headers, needed, '::1')
  expect(await ask('read')).toEqual({ name: 'rights', may: 'refresh' })
  expect(await ask('refresh')).toEqual({ name: 'rights', may: 'refresh' })
  expect(await refusalOf(ask('operate'))).toBe('NotAllowed')
  expect(await refusalOf(ask('define'))).toBe('NotAllowed')
})

describe('no request is let in', () => {
  const bad: Record<string, (good: string) => string[] | undefined> = {
    'without a header': () => undefined,
    'with an empty header': () => [''],
    'with the header twice': (good) => [...bearer(good), ...bearer(good)],
    'with two tokens in one header': (good) => [`Bearer ${good}, Bearer ${good}`],
    'with another scheme': (good) => [`Basic ${good}`],
    'with the token alone': (good) => [good],
    'with a token that lacks its last character': (good) => bearer(good.slice(0, -1)),
    'with a token and a character more': (good) => bearer(`${good}A`),
    'with a token in capitals': (good) => bearer(good.toUpperCase()),
    'with the secret of another token': (good) =>
      bearer(`${good.slice(0, 20)}${randomBytes(32).toString('base64url')}`),
    'with an id that nobody has': () =>
      bearer(`vk_${'0'.repeat(16)}_${randomBytes(32).toString('base64url')}`),
    'with the digest instead of the secret': (good) => bearer(`${good.slice(0, 20)}${'A'.repeat(43)}`),
    'with a huge token': (good) => bearer(good.padEnd(1_000_000, 'A')),
    'with what is not ASCII': (good) => bearer(`${good.slice(0, -1)}é`),
    'with half of a surrogate pair': (good) => bearer(`${good.slice(0, -1)}\ud800`),
    'with SQL in the id': () => bearer(`vk_' or '1'='1' --_${'A'.repeat(43)}`),
    'with a line break': (good) => [`Bearer ${good}\r\nX: y`],
  }
  eachCase(Object.entries(bad), { quick: 2 })('%s', async (_, headersOf) => {
    const name = `bad ${randomBytes(4).toString('hex')}`
    const headers = headersOf(await make(name))
    expect(await said(headers)).toBe('Unauthenticated')
    const known = (await listTokens(sql)).find((each) => each.name === name)
    expect(known?.lastUsedAt).toBeNull()
  })

  test('with an expired token, by the clock of the database', async () => {
    const headers = bearer(await make('expired', 'read', 1))
    expect(await said(headers)).toBe('let in')
    await updateRows(sql, 'tokens', { name: 'expired' }, { expiresAt: sql`clock_timestamp()` })
    expect(await said(headers)).toBe('Unauthenticated')
  })
})

test('a revoked token is let in no longer than for the seconds for which it is remembered', async () => {
  let now = 0
  const door = makeDoorkeeper(database, () => now)
  const headers = bearer(await make('revoked'))
  await door.authorize(headers, 'read', '::1')
  expect(await revokeToken(sql, 'revoked')).toBe(true)
  expect(await revokeToken(sql, 'revoked')).toBe(false)
  now = 4999
  expect(await refusalOf(door.authorize(headers, 'read', '::1'))).toBe('let in')
  now = 5000
  expect(await refusalOf(door.authorize(headers, 'read', '::1'))).toBe('Unauthenticated')
  expect(await said(headers)).toBe('Unauthenticated')
  // The name is free again.
  await make('revoked')
})

test('a thousand requests at one moment cost one login, and the use is noted once a minute', async () => {
  const { counting, logins } = counted()
  const headers = bearer(await make('busy'))
  const door = makeDoorkeeper(counting)
  await Promise.all(Array.from({ length: 1000 }, () => door.authorize(headers, 'read', '::1')))
  expect(logins()).toBe(1)
  const lastUse = async () =>
    (await sql`select last_used_at::text as at from viewkeeper.tokens where name = 'busy'`)[0]?.at
  const first = await lastUse()
  expect(first).not.toBeNull()
  await makeDoorkeeper(database).authorize(headers, 'read', '::1')
  expect(await lastUse()).toBe(first)
  await updateRows(sql, 'tokens', { name: 'busy' }, { lastUsedAt: sql`last_used_at - interval '61 s'` })
  const old = await lastUse()
  await makeDoorkeeper(database).authorize(headers, 'read', '::1')
  expect(await lastUse()).not.toBe(old)
})

test('who guesses tokens is refused after some, at one moment too, and spares the database and the others', async () => {
  let now = 0
  const { counting, logins } = counted()
  const door = makeDoorkeeper(counting, () => now)
  const good = bearer(await make('good'))
  const guess = (address: string) =>
    refusalOf(
      door.authorize(
        bearer(`vk_${'0'.repeat(16)}_${randomBytes(32).toString('base64url')}`),
        'read',
        address,
      ),
    )
  await door.authorize(good, 'read', '10.0.0.1')
  const answers = await Promise.all(Array.from({ length: 100 }, () => guess('10.0.0.1')))
  expect(answers.filter((each) => each === 'Unauthenticated')).toHaveLength(20)
  expect(answers.filter((each) => each === 'TooManyRefusals')).toHaveLength(80)
  expect(logins()).toBe(21)
  expect(await guess('10.0.0.2')).toBe('Unauthenticated')
  now = 30_000
  // The same proxy: a token that was good is looked up again.
  expect(await refusalOf(door.authorize(good, 'read', '10.0.0.1'))).toBe('let in')
  expect(await guess('10.0.0.1')).toBe('TooManyRefusals')
  now = 60_000
  expect(await guess('10.0.0.1')).toBe('Unauthenticated')
})

test('while the database is away, that is what a request is told, and no token is held to be bad', async () => {
  let isAway = true
  const away: Database = {
    ...database,
    withConnection: (work, options) =>
      (isAway ? as('nobody').database : database).withConnection(work, options),
  }
  const door = makeDoorkeeper(away)
  const headers = bearer(await make('patient'))
  for (let at = 0; at < 25; at++)
    expect(await refusalOf(door.authorize(headers, 'read', '::1'))).toBe('CredentialsRefused')
  isAway = false
  expect(await refusalOf(door.authorize(headers, 'read', '::1'))).toBe('let in')
})

test('nobody but the owner of the schema reads tokens, not even a role that reads the record', async () => {
  const reader = `reader_${url.slice(-8)}`
  await sql.unsafe(
    `create role ${reader} login password 'secret'; grant usage on schema viewkeeper to ${reader}; grant select on viewkeeper.runs to ${reader}`,
  )
  const read = as(reader).database.withConnection((own) => listTokens(own))
  expect(await refusalOf(read)).toBe('InsufficientPrivilege')
})

test('the command shows a token once, lists it without its secret, and ends it', async () => {
  vi.stubEnv('DATABASE_URL', url)
  let printed = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text
    return true
  })
  const warned = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const type = async (...words: string[]) => {
    printed = ''
    process.exitCode = 0
    await main(['token', ...words])
    return { printed, exit: process.exitCode }
  }
  try {
    const made = await type('create', '--name', 'typed', '--may', 'operate', '--expires', '90d')
    expect(made).toEqual({ printed: expect.stringMatching(/^vk_[0-9a-f]{16}_[\w-]{43}\n$/), exit: 0 })
    const token = made.printed.trim()
    expect(await makeDoorkeeper(database).authorize(bearer(token), 'operate', '::1')).toEqual({
      name: 'typed',
      may: 'operate',
    })
    expect((await type('create', '--name', 'typed', '--may', 'read')).exit).toBe(2)
    expect((await type('create', '--name', 'other', '--may', 'everything')).exit).toBe(2)
    const { printed: listed } = await type('ls')
    expect(listed).toMatch(/typed +operate +\d{4}-/)
    expect(listed + (await type('ls', '--json')).printed).not.toContain(token.slice(20))
    const [row] = await sql`select to_jsonb(t)::text as text from viewkeeper.tokens t where name = 'typed'`
    expect(row?.text).not.toContain(token.slice(20))
    expect(await type('revoke', 'typed')).toMatchObject({ exit: 0 })
    expect((await type('revoke', 'typed')).exit).toBe(2)
    expect(await said(bearer(token))).toBe('Unauthenticated')
  } finally {
    write.mockRestore()
    warned.mockRestore()
    process.exitCode = undefined
    vi.unstubAllEnvs()
  }
})
