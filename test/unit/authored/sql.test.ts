import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalSql, readIndex, readQuery, readsOf } from '../../../src/authored/sql/read.ts'

// Property tests make hundreds of cases, which takes seconds on a busy machine.
describe('a query is brought into the form of definitions', () => {
  test.each([
    ['line ends become \\n', 'select 1,\r\n 2,\r 3', 'select 1,\n 2,\n 3'],
    ['space around goes', '\n\t select 1 \n\n', 'select 1'],
    ['a byte order mark goes', '\ufeffselect 1', 'select 1'],
    ['a semicolon goes', 'select 1 ;\n', 'select 1'],
    ['several semicolons go', 'select 1;;\n;', 'select 1'],
    ['a semicolon in front goes', '; select 1', 'select 1'],
    ['comments after the semicolon go', "select 'é'; -- done;\n/* all */", "select 'é'"],
    ['comments elsewhere stay', '-- a; b\nselect 1 /* c */ -- d', '-- a; b\nselect 1 /* c */ -- d'],
    ['comments in front stay', '/* a */ select 1;', '/* a */ select 1'],
    ['a semicolon in a comment at the end stays', 'select 1 -- x;', 'select 1 -- x;'],
    ['a semicolon in a text stays', "select ';'", "select ';'"],
  ])('%s', async (_, text, sql) => {
    expect(await readQuery(text)).toEqual({ sql, faults: [] })
    expect((await readQuery(sql)).sql).toBe(sql)
  })

  test.each([
    'select 1',
    'with a as (select 1) select * from a',
    'with recursive a as (select 1 union all select 2) table a',
    'values (1), (2)',
    'table app.sales',
    '(select 1) union all (select 2)',
    '((select 1))',
  ])('%s is a query of a view', async (sql) => {
    expect(await readQuery(sql)).toEqual({ sql, faults: [] })
  })
})

describe('a text that cannot be the query of a view is refused, with the line', () => {
  test.each([
    ['', 1, /empty/],
    ['  \n-- nothing\n;', 2, /empty/],
    ["select 'é😀😀😀😀😀😀\n', 1\n fro x y", 3, /syntax error at or near "x"/],
    ["\n\nselect\n 'x", 4, /unterminated quoted string/],
    ['select 1;\n\n select 2; select 3', 3, /3 statements/],
    ['create materialized view x as select 1', 1, /not a select/],
    ['insert into x select 1', 1, /not a select/],
    ['explain select 1', 1, /not a select/],
    ['select 1\ninto x', 1, /into/],
    ['select 1,\n $2, $10,\n $2', 2, /parameters \$2, \$10,/],
    ['select\n$1', 2, /parameter \$1,/],
    ['with a as (select 1),\n b as (delete from x returning 1) select * from a, b', 2, /"b"/],
    ['select * from (\n with b as (insert into x values (1) returning 1) select * from b) c', 2, /"b"/],
    ['select 1\n from x\n for no key update', 3, /for update/],
    ['select * from (select * from x\nfor share) y', 2, /for update/],
    ['select 1\0 garbage', 1, /NUL/],
  ])('%j', async (text, line, message) => {
    const { faults } = await readQuery(text)
    expect(faults).toEqual([{ line, message: expect.stringMatching(message) }])
  })

  test('with all faults at once', async () => {
    const { faults } = await readQuery('select $1\n into x\n from y\n for update')
    expect(faults.map(({ message }) => message)).toEqual([
      expect.stringMatching(/into/),
      expect.stringMatching(/for update/),
      expect.stringMatching(/\$1/),
    ])
  })
})

describe('the words of an index', () => {
  test.each([
    ['("a")', true],
    ['using btree (a desc nulls last, b) include (c) with (fillfactor = 70)', true],
    ['(a) where b > 0', false],
    ['(a) where b = \'--\' and "/*"', false],
    ['(lower(a))', false],
    ['(a, (b + 1))', false],
  ])('%s: on plain columns: %s', async (on, plainColumns) => {
    expect(await readIndex(on)).toEqual({ fault: null, plainColumns })
  })

  test.each([
    ['a', /"\(a, b\)"/],
    ['(a', /syntax error at end of input/],
    ['(a) wher b', /syntax error/],
    ['(a);', /semicolon/],
    ['(a); drop table x', /semicolon/],
    ['(a) -- x', /comment/],
    ['(a) -- x\nwhere b > 0', /comment/],
    ['(a) /* é */ where b', /comment/],
    ['.other (a)', /"\(a, b\)"/],
    ['', /"\(a, b\)"/],
  ])('%j is refused', async (on, fault) => {
    expect((await readIndex(on)).fault).toMatch(fault)
  })
})

describe('texts compare as the server reads them', () => {
  const words = [
    ...'with A as ( select Ab ,'.split(' '),
    "'It''s  X'",
    ',',
    '"Q q"',
    ...', array [ 1 , - 2 ] from s . T where ab in ( 1 , 2 ) and not b is json )'.split(' '),
    ...", c as ( values ( 1 , 'x' ) ) select * , count ( * ) over w from a join c on true".split(' '),
    ...'window w as ( partition by ab order by 1 ) union all ( table u ) order by 1 limit 5'.split(' '),
  ]

  test('white space, comments and the case of keywords make no difference', async () => {
    const expected = await canonicalSql(words.join(' '))
    const space = fc.constantFrom(' ', '\n', '\t', '  \r\n ', ' /* ; é */ ', " -- it's\n")
    const keyword =
      /^(with|as|select|array|from|where|in|and|is|values|over|join|union|order|limit|table|Ab|T)$/
    await fc.assert(
      fc.asyncProperty(
        fc.array(space, { minLength: words.length, maxLength: words.length }),
        fc.infiniteStream(fc.boolean()),
        async (spaces, upper) => {
          const text = words.map((word, at) => {
            const cased = keyword.test(word) && upper.next().value ? word.toUpperCase() : word
            return cased + spaces[at]
          })
          expect(await canonicalSql(text.join(''))).toBe(expected)
        },
      ),
    )
  })

  test.each([
    ['select 1', 'select 2'],
    ['select a', 'select "A"'],
    ["select 'a b'", "select 'a  b'"],
    ['select a, b', 'select b, a'],
    ['select 1 union select 2', 'select 1 union all select 2'],
    ['select a from t', 'select a from s.t'],
    ['select a as location', 'select a as len'],
    ['select 1 limit 1', 'select 1 limit 2'],
  ])('%s is not %s', async (one, other) => {
    expect(await canonicalSql(one)).not.toBe(await canonicalSql(other))
  })

  test('a text that is no SQL throws', async () => {
    await expect(canonicalSql('select from where')).rejects.toThrow(/syntax error/)
  })
})

describe('the relations that a query reads', () => {
  const names = async (sql: string) =>
    (await readsOf(sql)).map(({ schema, name }) => (schema === null ? name : `${schema}.${name}`)).sort()

  test.each([
    ['select 1', []],
    ['select * from a, s.b join "C" on exists (select 1 from d)', ['C', 'a', 'd', 's.b']],
    ['select (select 1 from a) union (table b)', ['a', 'b']],
    ['select * from a, a x, public.a', ['a', 'public.a']],
    ['with a as (select * from b) select * from a', ['b']],
    ['with a as (select * from a) select * from a', ['a']],
    ['with recursive a as (select * from b union all select * from a) select * from a', ['b']],
    ['with a as (select * from b), b as (select 1) select * from a, b', ['b']],
    ['with recursive a as (select * from b), b as (select 1) select * from a, b', []],
    ['with a as (select 1) select * from s.a', ['s.a']],
    ['with a as (select 1) select * from (with b as (select 2) select * from a, b) x', []],
    ['select * from (with a as (select 1) select * from a) x, a', ['a']],
    ['with a as (select 1) select * from (select * from a) x, lateral (select * from a, c) y', ['c']],
    ['select * from f(1), generate_series(1, 2) s', []],
    ['select * from a tablesample system (1)', ['a']],
  ])('%s', async (sql, expected) => {
    expect(await names(sql)).toEqual(expected)
  })
})
