import { expect, test } from 'vitest'
import { readTouched } from '../../../src/authored/sql/touched.ts'
import { displayName } from '../../../src/words/names.ts'

/** What a file touches, as `relation: column, column`. */
const read = async (text: string) =>
  (await readTouched('change.sql', text)).map(
    ({ relation, columns, dropped }) =>
      `${displayName(relation)}: ${dropped ? 'dropped' : columns?.join(', ')}`,
  )

test.each<[string, string, string[]]>([
  ['a table', 'alter table a.v rename to w; alter table a.w alter x type text', ['a.v: x']],
  ['twice', 'alter table v rename to w; alter table w rename to u; drop table u', ['v: dropped']],
  ['a view', 'alter view v rename to w; alter view w rename x to y; drop view w', ['v: dropped']],
  [
    'a table to another schema',
    'alter table a.v set schema b; alter table b.v rename to w; alter table b.w drop column x',
    ['a.v: x'],
  ],
  [
    'a column',
    'alter table v rename x to y; alter table v alter y type text; alter table v rename y to z; alter table v drop z',
    ['v: x'],
  ],
  [
    'columns that change names',
    'alter table v rename x to t; alter table v rename y to x; alter table v rename t to y; alter table v alter y type text',
    ['v: x'],
  ],
  [
    'tables that change names',
    'alter table v rename to t; alter table w rename to v; alter table t rename to w; alter table w alter x type text',
    ['v: x', 'w: '],
  ],
  [
    'a table that the file makes if it is not there',
    'create table if not exists v (x integer); alter table v drop column x cascade',
    ['v: x'],
  ],
])('a later statement that names %s touches what was there before', async (_, text, touched) => {
  expect(await read(text)).toEqual(touched)
})

test('nothing was there of what the file makes under a name that has become free', async () => {
  expect(
    await read('alter table v rename to w; create table v (x integer); alter table v alter x type text'),
  ).toEqual(['v: '])
  expect(
    await read('alter table v rename x to y; alter table v add x integer; alter table v alter x type text'),
  ).toEqual(['v: '])
  expect(await read('create table n as select 1 as x; alter table n alter x type text')).toEqual([])
})

test('without a schema, the new name may mean another relation, too', async () => {
  expect(await read('alter table a.v rename to w; alter table w alter x type text')).toEqual([
    'a.v: x',
    'w: x',
  ])
})
