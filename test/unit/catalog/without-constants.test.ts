import fc from 'fast-check'
import { expect, test } from 'vitest'
import { withoutConstants } from '../../../src/record/watch/held-locks.ts'
import { literal, quoteIdentifier } from '../../../src/sql/names.ts'
import { counts } from '../../support/counts.ts'

// Property tests make hundreds of cases, which takes seconds on a busy machine.
test.each([
  [`select * from t1 where name = 'secret' and id = 42`, 'select * from t1 where name = ... and id = ...'],
  [`select $1, a$1 from "Odd ""Name"".2" -- secret`, 'select $1, a$1 from "Odd ""Name"".2"'],
  [`insert into t values (-1.5e-3, 0x1F, 1_000, .5)`, 'insert into t values (-..., ..., ..., ...)'],
  [`values (E'it\\'s secret', U&'secret', N'secret', x'5ec2e7')`, 'values (..., ..., ..., ...)'],
  [`select 'secret' 'a''b'\n  , id`, 'select ... ... , id'],
  [`do $do$ begin secret $$ end $do$; select $$secret$$`, 'do ...; select ...'],
  [`/* secret /* secret */ secret */ select id`, 'select id'],
  [`alter role a password 'secret'`, 'alter role a password ...'],
  [`begin; set local app.token = secret; select id`, 'begin; set local app.token = ...; select id'],
  [`SET app.token TO secret`, 'SET app.token TO ...'],
  [`alter role a set app.token to secret`, 'alter role a set app.token to ...'],
  [
    `begin; alter function f(int) set app.token = secret; select id`,
    'begin; alter function f(int) set app.token = ...; select id',
  ],
  [`alter procedure "a;b"(text) set app.token to secret`, 'alter procedure "a;b"(text) set app.token to ...'],
  [
    `create or replace function f(n int default 1) set app.token=secret as 'x'`,
    'create or replace function f(n int default ...) set app.token= ...',
  ],
  [
    `create function f(n int = 1) set app.token = secret`,
    'create function f(n int = ...) set app.token = ...',
  ],
  [`set session "app.token" = secret`, 'set session "app.token" = ...'],
  [`set U&"app.token"to secret`, 'set U&"app.token"to ...'],
  [`set app . token = secret`, 'set app . token = ...'],
  [`set app.token = "secret; secret"; select id`, 'set app.token = ...; select id'],
  [`set app.token = "secret; secr`, 'set app.token = ...'],
  [
    `select "a; create ", b; set app.token = secret; select " set c = d"`,
    'select "a; create ", b; set app.token = ...; select " set c = d"',
  ],
  [`alter table t set schema app`, 'alter table t set schema app'],
  [`update t set a = b where c = 'secret'`, 'update t set a = b where c = ...'],
  [`select nameE'secret'`, 'select nameE...'],
  // The server cuts long statements.
  [`select id, 'secr`, 'select id, ...'],
  [`select id, E'secr`, 'select id, ...'],
  [`select id, $$ secr`, 'select id, ...'],
  [`select id, "secr`, 'select id, ...'],
  [`select id /* secr`, 'select id'],
  // A setting of the session decides which quote ends the text.
  [String.raw`select id, 'a\', secret, 'b'`, 'select id, ...'],
  [String.raw`select 'C:\data', id`, 'select ..., id'],
])('%s', (statement, said) => {
  expect(withoutConstants(statement)).toBe(said)
})

test('no constant is told, whatever is in it', () => {
  const text = fc.string({ unit: 'binary', minLength: 1 }).filter((each) => !each.includes('\0'))
  const secret = fc.tuple(text, text).map(([before, after]) => `${before}S3cret${after}`)
  const constant = fc.oneof(
    secret.map(literal),
    secret.map((each) => `'${each.replaceAll("'", "''")}'`),
    secret.filter((each) => !each.includes('$')).map((each) => `$x$${each}$x$`),
    secret.map((each) => `/*${each.replaceAll('*', '').replaceAll('/', '')}*/`),
    secret.map((each) => `--${each.replaceAll(/[\n\r]/g, '')}\n`),
  )
  const statement = fc
    .array(fc.oneof(constant, text.map(quoteIdentifier)), { minLength: 1 })
    .map((parts) => `select ${parts.join(', ')}`)
  fc.assert(
    fc.property(statement, fc.nat(), (whole, at) => {
      expect(withoutConstants(whole)).not.toContain('S3cret')
      expect(withoutConstants(whole.slice(0, at % whole.length))).not.toContain('S3cret')
    }),
    { numRuns: counts.textsWithConstants },
  )
})

test('a long statement is cut', () => {
  expect(withoutConstants(`select ${'a, '.repeat(10_000)}`).length).toBeLessThan(2100)
  expect(withoutConstants(`set ${'app.'.repeat(490)}token = ${'secret'.repeat(100)}`)).not.toContain('secret')
})
