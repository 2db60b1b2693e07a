import { describe, expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'

describe('DATABASE_URL', () => {
  const read = (url: string) => fromUrl(url)({ fresh: false })

  test('is read with everything decoded, and with defaults', async () => {
    expect(await read('postgres://us%40er:p%2Fw@db.example.com:6432/my%20db?sslmode=disable')).toEqual({
      host: 'db.example.com',
      port: 6432,
      database: 'my db',
      user: 'us@er',
      password: 'p/w',
      tls: { verify: false },
    })
    expect(await read('postgresql://[::1]')).toMatchObject({
      host: '::1',
      port: 5432,
      database: 'postgres',
      user: 'postgres',
    })
  })

  test('is not encrypted for a server on this machine, and verified for any other, unless sslmode says otherwise', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      expect((await read(`postgres://${host}/x`)).tls).toEqual({ verify: false })
    }
    for (const host of ['db.example.com', '10.0.0.1', 'localhost.example.com', '127.example.com']) {
      expect((await read(`postgres://${host}/x`)).tls, host).toEqual({ verify: true, roots: null })
    }
    expect((await read('postgres://localhost/x?sslmode=verify-full')).tls).toEqual({
      verify: true,
      roots: null,
    })
  })

  test.each([
    'nonsense',
    'mysql://u:hunter2@h/d',
    'postgres://u:hunter2@h/d?sslmode=require',
    'postgres://u:hunter2@h:x/d',
    'postgres://u:hunter2@h/d?sslmode=verify-full&sslmode=disable',
    'postgres://u:hunter2@h/d?sslmode=disable&sslmode=disable',
  ])('%s is refused without being shown', (url) => {
    expect(() => fromUrl(url)).toThrow(
      expect.objectContaining({ code: 'InvalidRequest', message: expect.not.stringContaining('hunter2') }),
    )
  })
})

test('DATABASE_URL with a missing file of root certificates is refused with the name of the file, and without the password', () => {
  expect(() => fromUrl('postgres://u:hunter2@db.example.com/d?sslrootcert=nowhere/roots.pem')).toThrow(
    expect.objectContaining({
      code: 'InvalidRequest',
      message: expect.stringMatching(
        /^DATABASE_URL cannot be used: the file nowhere\/roots\.pem, which sslrootcert names, cannot be read \(ENOENT\)/,
      ),
      details: { field: 'DATABASE_URL' },
    }),
  )
})
