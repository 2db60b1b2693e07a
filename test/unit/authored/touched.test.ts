import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readTouched } from '../../../src/authored/sql/touched.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const read = (text: string) => readTouched('change.sql', text)
const nothing = { columns: [], constraints: false, dropped: false, locked: true }

describe('what a file of SQL touches', () => {
  test('columns that get another type or are dropped', async () => {
    expect(
      await read(
        'alter table public.orders alter column amount type bigint, drop column "Odd One"; alter table only orders drop column x cascade',
      ),
    ).toEqual([
      { ...nothing, relation: { schema: 'public', name: 'orders' }, columns: ['amount', 'Odd One'] },
      { ...nothing, relation: { schema: null, name: 'orders' }, columns: ['x'] },
    ])
  })

  test('the same table in several statements, once', async () => {
    expect(
      await read('alter table t alter a type text; alter table t alter b type text, drop constraint k'),
    ).toEqual([{ ...nothing, relation: { schema: null, name: 't' }, columns: ['a', 'b'], constraints: true }])
    expect(await read('alter table t alter a type text; drop table t')).toEqual([
      {
        relation: { schema: null, name: 't' },
        columns: null,
        constraints: false,
        dropped: true,
        locked: true,
      },
    ])
  })

  test('relations that are dropped', async () => {
    const dropped = { columns: null, constraints: false, dropped: true, locked: true }
    expect(
      await read('drop table if exists a.b, c; drop view v; drop materialized view m; drop function f(int)'),
    ).toEqual([
      { ...dropped, relation: { schema: 'a', name: 'b' } },
      { ...dropped, relation: { schema: null, name: 'c' } },
      { ...dropped, relation: { schema: null, name: 'v' } },
      { ...dropped, relation: { schema: null, name: 'm' } },
    ])
  })

  test('no view stands in the way of a rename or of a new column, but the table is locked', async () => {
    expect(
      await read(
        'alter table t rename to u; alter table s rename column a to b; alter table r add column c integer',
      ),
    ).toEqual(['t', 's', 'r'].map((name) => ({ ...nothing, relation: { schema: null, name } })))
    expect(
      await read(
        'create or replace view v as select 1; update t set a = 1; do $$ begin drop table x; end $$',
      ),
    ).toEqual([])
  })
})

test.each([
  ['begin; select 1', /begins or ends a transaction.*Leave out begin/],
  ['select 1; commit', /begins or ends a transaction/],
  ['create index concurrently i on t (a)', /concurrently cannot be part of a transaction/],
  ['drop index concurrently i', /concurrently cannot be part of a transaction/],
  ['vacuum t', /\(Vacuum\) cannot be part of a transaction/],
  ['create database d', /\(Createdb\) cannot be part of a transaction/],
  ['alter tabel t', /^change\.sql: syntax error at or near "tabel"\. Nothing was changed\.$/],
])('%s is refused before anything is done', async (text, message) => {
  expect((await refusalOf(read(text))).message).toMatch(message)
})

test('savepoints and analyze are part of a transaction', async () => {
  expect(await read('savepoint a; rollback to a; release a; analyze t')).toEqual([])
})

test('a statement behind thousands of others is found, and what only the parser can quote is left to it', async () => {
  const many = "insert into a values (1, 'it''s; x');\n".repeat(2500)
  expect(await read(`${many}alter table t drop column a`)).toEqual([
    { ...nothing, relation: { schema: null, name: 't' }, columns: ['a'] },
  ])
  expect((await refusalOf(read(`${many}commit`))).message).toMatch(/begins or ends a transaction/)
  expect(await read(`select $é$'$é$;${many}select $é$'$é$; drop table t`)).toEqual([
    { ...nothing, relation: { schema: null, name: 't' }, columns: null, dropped: true },
  ])
})

test('60,000 statements take no more memory than a small function has', async () => {
  const module = new URL('../../../src/authored/sql/touched.ts', import.meta.url)
  const script = `
    const { readTouched } = await import(${JSON.stringify(module.href)})
    await readTouched('change.sql', "insert into a values (1, 'it''s; x');".repeat(60000))
    console.log(process.resourceUsage().maxRSS)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
  expect(Number(stdout)).toBeLessThan(400_000)
})
