import { userInfo } from 'node:os'
import { describe, expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { rdsRoots } from '../../../src/keeper/rds-roots.ts'

describe('DATABASE_URL', () => {
  const read = (url: string, env: Record<string, string> = {}) => fromUrl(url, env)({ fresh: false })

  test('is read with everything decoded, and with the defaults of libpq', async () => {
    expect(await read('postgres://us%40er:p%2Fw@db.example.com:6432/my%20db%2F1?sslmode=disable')).toEqual({
      host: 'db.example.com',
      port: 6432,
      database: 'my db/1',
      user: 'us@er',
      password: 'p/w',
      tls: { verify: false },
    })
    const { username: user } = userInfo()
    expect(await read('postgresql://[::1]')).toMatchObject({ host: '::1', port: 5432, database: user, user })
    expect(await read('postgres://u:a@b@h/d')).toMatchObject({ password: 'a@b', host: 'h' })
    expect(await read('postgres://u:p@/d?host=/tmp&port=6000')).toMatchObject({ host: '/tmp', port: 6000 })
  })

  test('has several servers, as psql takes them: each is asked for the one that writes', async () => {
    const [a, b] = [
      { host: 'a', port: 5433, writes: true },
      { host: 'b', port: 5432, writes: true },
    ]
    for (const url of [
      'postgres://u:p@a:5433,b/d',
      'postgres://u:p@a:5433,b:5432/d?target_session_attrs=read-write',
      'postgres://u:p@/d?host=a,b&port=5433,5432&target_session_attrs=primary',
    ])
      expect(await read(url)).toMatchObject({
        ...a,
        database: 'd',
        next: { ...b, database: 'd', password: 'p' },
      })
    expect(await read('postgres://u:p@[::1]:5433,[::2]/d')).toMatchObject({
      host: '::1',
      next: { host: '::2', port: 5432 },
    })
    expect(await read('postgres://u:p@a/d')).not.toHaveProperty('writes')
  })

  test('has parameters that count more than what stands before them, and variables that count less', async () => {
    const env = {
      PGHOST: 'other',
      PGUSER: 'me',
      PGPASSWORD: 'secret',
      PGDATABASE: 'shop',
      PGSSLMODE: 'disable',
    }
    expect(
      await read('postgres://a.example.com/?host=b.example.com&user=you&options=-c%20geqo%3Doff', env),
    ).toEqual({
      host: 'b.example.com',
      port: 5432,
      user: 'you',
      password: 'secret',
      database: 'shop',
      options: '-c geqo=off',
      tls: { verify: false },
    })
    expect(await read('postgres://', env)).toMatchObject({ host: 'other', user: 'me' })
  })

  test('verifies a server on another machine unless it says otherwise; a tunnel does not make one near', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]', '/run/postgresql']) {
      const url = host.startsWith('/') ? `postgres:///x?host=${host}` : `postgres://${host}/x`
      expect((await read(url)).tls).toEqual({ verify: false })
    }
    for (const host of ['db.example.com', '10.0.0.1', 'localhost.example.com', '127.example.com']) {
      expect((await read(`postgres://${host}/x`)).tls, host).toEqual({ verify: true, roots: null })
    }
    expect(await read('postgres://db.example.com/x?hostaddr=127.0.0.1')).toMatchObject({
      host: 'db.example.com',
      hostaddr: '127.0.0.1',
      tls: { verify: true, roots: null },
    })
    expect((await read('postgres://localhost/x?sslmode=verify-full')).tls).toEqual({
      verify: true,
      roots: null,
    })
    expect((await read('postgres://db.example.com/x?sslmode=allow')).tls).toEqual({
      verify: false,
      encrypts: 'prefer',
    })
  })

  test('has the roots of RDS for a server of RDS', async () => {
    const { tls } = await read('postgres://shop.abc.eu-central-1.rds.amazonaws.com/x')
    expect(tls).toEqual({ verify: true, roots: rdsRoots })
  })

  test.each([
    ['nonsense', /does not start with postgres/],
    ['mysql://u:hunter2@h/d', /does not start with postgres/],
    ['postgres://u:hunter2@h/d?sslmode=verified', /sslmode is one of disable, allow, prefer/],
    ['postgres://u:hunter2@h/d?sslmode=verify-ca', /verify-ca needs sslrootcert/],
    ['postgres://u:hunter2@h:x/d', /percent-encoded/],
    ['postgres://u:hunt#er2@h/d', /# is %23/],
    ['postgres://u:12#hunter2@h/d', /# is %23/],
    ['postgres://u:12/hunter2@h/d', /percent-encoded/],
    ['postgres://u:12?hunter2@h/d', /percent-encoded/],
    ['postgres://u:hunter2%w@h/d', /write %25 for %/],
    ['postgres://u:hunter2@h1,h2/d?port=1,2,3', /not as many ports as hosts/],
    ['postgres://u:hunter2@h1,h2/d?hostaddr=10.0.0.1', /not as many hosts as hostaddr/],
    ['postgres://u:hunter2@h/d?sslmode=verify-full&sslmode=disable', /sslmode twice/],
    ['postgres://u:hunter2@h/d?pgbouncer=true', /pgbouncer cannot be honoured: leave it out/],
    ['postgres://u:hunter2@h/d?sslcert=me.pem', /sslcert cannot be honoured/],
    [
      'postgres://u:hunter2@h/d?channel_binding=require',
      /channel_binding cannot be honoured: .* sslmode=verify-full/,
    ],
    ['postgres://u:hunter2@h/d?target_session_attrs=standby', /so write read-write/],
    ['postgres://u:hunter2@h/d?connect_timeout=soon', /connect_timeout/],
    [
      'postgres://u:hunter2@h/d?sslrootcert=nowhere/roots.pem',
      /nowhere\/roots\.pem, which sslrootcert names.*ENOENT/,
    ],
  ])('%s is refused by name, without being shown', (url, message) => {
    expect(() => fromUrl(url, {})).toThrow(
      expect.objectContaining({
        code: 'InvalidRequest',
        message: expect.stringMatching(message),
        details: { field: 'DATABASE_URL' },
      }),
    )
    expect(() => fromUrl(url, {})).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    )
  })

  test('a variable that cannot be honoured is refused by its name, too', () => {
    expect(() => fromUrl('postgres://h/d', { PGSERVICE: 'shop' })).toThrow(
      expect.objectContaining({ message: expect.stringContaining('service (variable PGSERVICE) cannot') }),
    )
  })
})
